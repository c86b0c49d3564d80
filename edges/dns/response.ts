import { classes, ednsMessageLengthMax, headerLength, optRecordLength, queryTypes } from './protocol.ts'
import type { Query } from './query.ts'
import type { RecordSet } from './zone.ts'

export type Section = 'answer' | 'authority' | 'additional'

const countOffsets: Readonly<Record<Section, number>> = { answer: 6, authority: 8, additional: 10 }
/** Offsets a compression pointer can hold, RFC 1035 section 4.1.4. */
const pointerMax = 0x3fff
/** OPTION-CODE and octets of an extended error without text, RFC 8914 section 2. */
const extendedErrorOption = 15
const extendedErrorLength = 6
/** A record set that overflows is written to its end before it is taken back: one record is at most this long. */
const overflowLength = 32_768
const flagMasks = { response: 0x8000, authoritative: 0x0400, truncated: 0x0200, keep: 0x7900 } as const

/**
 * Writes one response into a buffer that all responses share: a response is begun, filled and finished without anything
 * in between, and `finish` copies it out. Names are compressed against all the names before them.
 */
export class ResponseWriter {
  readonly #buffer = Buffer.alloc(65_535 + overflowLength)
  readonly #offsets = new Map<string, number>()
  readonly #suffixes: string[] = []
  #length = 0
  #limit = 0
  #edns = false
  #dnssecOk = false

  /**
   * Begins the response to `packet`: its id, opcode and RD, and its question octet for octet, so that the case the
   * client chose comes back. `limit` is the most octets of the whole message.
   */
  begin(packet: Buffer, query: Query, limit: number): void {
    const end = query.question?.end ?? headerLength
    packet.copy(this.#buffer, 0, 0, end)
    const flags = packet.readUInt16BE(2)
    this.#buffer.writeUInt16BE((flags & flagMasks.keep) | flagMasks.response, 2)
    this.#buffer.writeUInt16BE(query.question === null ? 0 : 1, 4)
    this.#buffer.fill(0, 6, headerLength)
    this.#offsets.clear()
    this.#suffixes.length = 0
    this.#length = end
    this.#edns = query.edns !== null
    this.#dnssecOk = query.edns?.dnssecOk ?? false
    this.#limit = this.#edns ? limit - optRecordLength : limit
    if (query.question !== null) this.#remember(query.question.name, headerLength)
  }

  setAuthoritative(): void {
    this.#setFlag(flagMasks.authoritative)
  }

  setTruncated(): void {
    this.#setFlag(flagMasks.truncated)
  }

  /** Appends the whole set, or nothing (and false) where it does not fit (RFC 2181 section 9). */
  put(section: Section, owner: string, set: RecordSet, ttl: number): boolean {
    const start = this.#length
    const suffixes = this.#suffixes.length
    for (const data of set.data) {
      this.#name(owner, true)
      this.#integer(set.type, 2)
      this.#integer(classes.IN, 2)
      this.#integer(ttl, 4)
      const lengthOffset = this.#length
      this.#length += 2
      this.#octets(data.before)
      for (const name of data.names) this.#name(name, set.isCompressed)
      this.#octets(data.after)
      this.#buffer.writeUInt16BE(this.#length - lengthOffset - 2, lengthOffset)
      if (this.#length > this.#limit) {
        this.#takeBack(start, suffixes)
        return false
      }
    }
    const offset = countOffsets[section]
    this.#buffer.writeUInt16BE(this.#buffer.readUInt16BE(offset) + set.data.length, offset)
    return true
  }

  /**
   * The finished message. `code` may be an extended RCODE where the query had EDNS (RFC 6891 section 6.1.3). The reason of an
   * error goes along where the query had EDNS, too (RFC 8914 section 2).
   */
  finish(code: number, extendedError?: number): Buffer {
    this.#setFlag(code & 0xf)
    if (this.#edns) {
      this.#integer(0, 1)
      this.#integer(queryTypes.OPT, 2)
      this.#integer(ednsMessageLengthMax, 2)
      this.#integer(code >> 4, 1)
      this.#integer(0, 1)
      this.#integer(this.#dnssecOk ? 0x8000 : 0, 2)
      this.#integer(extendedError === undefined ? 0 : extendedErrorLength, 2)
      if (extendedError !== undefined) {
        this.#integer(extendedErrorOption, 2)
        this.#integer(2, 2)
        this.#integer(extendedError, 2)
      }
      this.#buffer.writeUInt16BE(this.#buffer.readUInt16BE(10) + 1, 10)
    }
    return Buffer.from(this.#buffer.subarray(0, this.#length))
  }

  #setFlag(mask: number): void {
    this.#buffer.writeUInt16BE(this.#buffer.readUInt16BE(2) | mask, 2)
  }

  #takeBack(length: number, suffixes: number): void {
    for (const suffix of this.#suffixes.splice(suffixes)) this.#offsets.delete(suffix)
    this.#length = length
  }

  /** Records where each suffix of `name`, written at `offset`, can be pointed to. */
  #remember(name: string, offset: number): void {
    for (let at = 0; at < name.length; at += name.charCodeAt(at) + 1) {
      const suffix = name.slice(at)
      this.#offsets.set(suffix, offset + at)
      this.#suffixes.push(suffix)
    }
  }

  /** Writes a name, as a pointer from where one is allowed and known on. Later names may point to it either way. */
  #name(name: string, isCompressed: boolean): void {
    let at = 0
    while (at < name.length) {
      const suffix = at === 0 ? name : name.slice(at)
      const pointer = this.#offsets.get(suffix)
      if (pointer !== undefined && isCompressed) {
        this.#integer(0xc000 | pointer, 2)
        return
      }
      if (pointer === undefined && this.#length <= pointerMax) {
        this.#offsets.set(suffix, this.#length)
        this.#suffixes.push(suffix)
      }
      const next = at + name.charCodeAt(at) + 1
      for (; at < next; at += 1) {
        this.#buffer[this.#length] = name.charCodeAt(at)
        this.#length += 1
      }
    }
    this.#integer(0, 1)
  }

  #octets(octets: string): void {
    for (let index = 0; index < octets.length; index += 1) {
      this.#buffer[this.#length + index] = octets.charCodeAt(index)
    }
    this.#length += octets.length
  }

  #integer(value: number, octets: 1 | 2 | 4): void {
    for (let shift = (octets - 1) * 8; shift >= 0; shift -= 8) {
      this.#buffer[this.#length] = value >>> shift
      this.#length += 1
    }
  }
}
