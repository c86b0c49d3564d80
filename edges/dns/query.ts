import { headerLength, queryTypes, responseCodes } from './protocol.ts'

export interface Edns {
  readonly version: number
  /** Octets that the client takes over UDP, as it says. */
  readonly payloadLength: number
  /** DO, RFC 3225. */
  readonly dnssecOk: boolean
}

export interface Question {
  /** Lower case wire form without the root's zero octet, one character an octet. */
  readonly name: string
  readonly type: number
  readonly class: number
  /** Offset just behind the question, which begins behind the header. */
  readonly end: number
}

export interface Query {
  readonly opcode: number
  /** Not NOERROR where the message is malformed. */
  readonly code: 0 | 1
  /** Null where the message has none, or none that can be read. */
  readonly question: Question | null
  readonly edns: Edns | null
}

/** The fewest octets of a record: root owner, type, class, TTL, length. */
const recordLengthMin = 11
/** Octets with the root's zero octet, RFC 1035 section 2.3.4. */
const nameLengthMax = 255

/**
 * Reads a query. Null means that the packet must not be answered at all: it has no whole header, or it is a response (two
 * servers that answered each other's responses would never end).
 */
export function parseQuery(packet: Buffer): Query | null {
  if (packet.length < headerLength) return null
  const flags = packet.readUInt16BE(2)
  if ((flags & 0x8000) !== 0) return null
  const opcode = (flags >> 11) & 0xf
  const questions = packet.readUInt16BE(4)
  const records = packet.readUInt16BE(6) + packet.readUInt16BE(8) + packet.readUInt16BE(10)
  const malformed: Query = { opcode, code: responseCodes.FORMERR, question: null, edns: null }
  // RFC 9619: a query has at most one question.
  if (questions > 1) return malformed
  const question = questions === 0 ? null : parseQuestion(packet)
  if (questions === 1 && question === null) return malformed
  const start = question === null ? headerLength : question.end
  if (records * recordLengthMin > packet.length - start) return { ...malformed, question }
  const additional = records - packet.readUInt16BE(10)
  const edns = parseRecords(packet, start, records, additional)
  if (edns === undefined) return { ...malformed, question }
  return { opcode, code: responseCodes.NOERROR, question, edns }
}

/** Letters fold and every other octet stays (RFC 4343). */
const lowerCase = Uint8Array.from({ length: 256 }, (_, octet) =>
  octet >= 65 && octet <= 90 ? octet + 32 : octet,
)
const scratch = Buffer.alloc(nameLengthMax)

/** RFC 1035 section 4.1.2. A pointer in the question has nothing before it to point to and is malformed. */
function parseQuestion(packet: Buffer): Question | null {
  let offset = headerLength
  let length = 0
  for (;;) {
    const labelLength = packet[offset]
    if (labelLength === undefined || labelLength > 63) return null
    if (labelLength === 0) break
    if (length + labelLength + 2 > nameLengthMax || offset + labelLength >= packet.length) return null
    for (let index = 0; index <= labelLength; index += 1) {
      scratch[length + index] = lowerCase[packet[offset + index] ?? 0] ?? 0
    }
    length += labelLength + 1
    offset += labelLength + 1
  }
  const end = offset + 5
  if (end > packet.length) return null
  return {
    name: scratch.toString('latin1', 0, length),
    type: packet.readUInt16BE(offset + 1),
    class: packet.readUInt16BE(offset + 3),
    end,
  }
}

/**
 * Walks the records behind the question for an OPT (RFC 6891 section 6.1.1: at most one, in the additional section, owned by
 * the root). Undefined means malformed, which trailing octets are, too.
 */
function parseRecords(
  packet: Buffer,
  start: number,
  count: number,
  additionalFrom: number,
): Edns | null | undefined {
  let offset = start
  let edns: Edns | null = null
  for (let index = 0; index < count; index += 1) {
    const owner = offset
    const header = skipName(packet, owner)
    if (header === null || header + 10 > packet.length) return undefined
    const end = header + 10 + packet.readUInt16BE(header + 8)
    if (end > packet.length) return undefined
    if (packet.readUInt16BE(header) === queryTypes.OPT) {
      if (edns !== null || index < additionalFrom || packet[owner] !== 0) return undefined
      if (!areOptionsWhole(packet, header + 10, end)) return undefined
      edns = {
        payloadLength: packet.readUInt16BE(header + 2),
        version: packet[header + 5] ?? 0,
        dnssecOk: ((packet[header + 6] ?? 0) & 0x80) !== 0,
      }
    }
    offset = end
  }
  return offset === packet.length ? edns : undefined
}

/** The offset behind the name at `start`; a pointer ends a name, and must point back (RFC 1035 section 4.1.4). */
function skipName(packet: Buffer, start: number): number | null {
  let offset = start
  for (;;) {
    const octet = packet[offset]
    if (octet === undefined || offset - start >= nameLengthMax) return null
    if (octet === 0) return offset + 1
    if (octet >= 0xc0) {
      const low = packet[offset + 1]
      return low !== undefined && (((octet & 0x3f) << 8) | low) < start ? offset + 2 : null
    }
    if (octet > 63) return null
    offset += octet + 1
  }
}

/** RFC 6891 section 6.1.2: code, length, data. */
function areOptionsWhole(packet: Buffer, start: number, end: number): boolean {
  let offset = start
  while (offset < end) {
    if (offset + 4 > end) return false
    offset += 4 + packet.readUInt16BE(offset + 2)
  }
  return offset === end
}
