import {
  classes,
  ednsMessageLengthMax,
  plainMessageLengthMax,
  queryTypes,
  responseCodes,
  streamMessageLengthMax,
  typeNumbers,
} from './protocol.ts'
import { parseQuery, type Query, type Question } from './query.ts'
import { ResponseWriter } from './response.ts'
import { findSet, isBelowOrAt, type Location, type RecordSet, type Zone } from './zone.ts'
import type { ZoneStore } from './zone-store.ts'

export type Transport = 'udp' | 'tcp'

/** Aliases in one answer, as Knot has it; a resolver goes on from the last one. */
const aliasesMax = 5

/** INFO-CODE of RFC 8914 section 4.21. */
const notAuthoritative = 20

const writer = new ResponseWriter()

/**
 * The response to one packet, from the zones as they are now, or null where none must be sent. It never throws, whatever
 * the packet holds. A UDP response is at most 512 octets, with EDNS at most what the client takes and 1,232.
 */
export function answer(packet: Uint8Array, store: ZoneStore, transport: Transport): Buffer | null {
  const buffer = Buffer.from(packet.buffer, packet.byteOffset, packet.byteLength)
  const query = parseQuery(buffer)
  if (query === null) return null
  writer.begin(buffer, query, lengthMax(query, transport))
  const code = respond(query, store, transport)
  return writer.finish(code, code === responseCodes.REFUSED ? refusalReason(query) : undefined)
}

/** RFC 6891 section 6.2.3: a client's size below 512 counts as 512. */
function lengthMax(query: Query, transport: Transport): number {
  if (transport === 'tcp') return streamMessageLengthMax
  if (query.edns === null) return plainMessageLengthMax
  return Math.max(plainMessageLengthMax, Math.min(query.edns.payloadLength, ednsMessageLengthMax))
}

/** Fills the writer and gives the RCODE. */
function respond(query: Query, store: ZoneStore, transport: Transport): number {
  if (query.code !== responseCodes.NOERROR) return query.code
  if (query.opcode !== 0) return responseCodes.NOTIMP
  if (query.edns !== null && query.edns.version !== 0) return responseCodes.BADVERS
  const { question } = query
  if (question === null) return responseCodes.FORMERR
  if (question.class !== classes.IN && question.class !== classes.ANY) return responseCodes.REFUSED
  // Zone transfers are not served: RFC 5936 section 2.2.1 has REFUSED for what policy forbids.
  if (question.type === queryTypes.AXFR || question.type === queryTypes.IXFR) return responseCodes.REFUSED
  const zone = findZone(store, question)
  return zone === undefined
    ? responseCodes.REFUSED
    : new ZoneAnswer(zone, question, store, transport).respond()
}

/** RFC 8914 section 4.21: what is refused was, but for transfers and foreign classes, no zone of this server. */
function refusalReason(query: Query): number | undefined {
  const type = query.question?.type
  const isTransfer = type === queryTypes.AXFR || type === queryTypes.IXFR
  return isTransfer || query.question?.class !== classes.IN ? undefined : notAuthoritative
}

/** DS at a zone's apex is its parent's, where that is served here, too (RFC 4035 section 3.1.4.1). */
function findZone(store: ZoneStore, question: Question): Zone | undefined {
  const zone = store.find(question.name)
  if (zone === undefined || question.type !== queryTypes.DS || question.name === '') return zone
  if (question.name !== zone.apex) return zone
  return store.find(question.name.slice(question.name.charCodeAt(0) + 1)) ?? zone
}

/** RFC 1034 section 4.3.2, with RFC 2181, RFC 2308, RFC 4592 and RFC 8482 over it. */
class ZoneAnswer {
  readonly #zone: Zone
  readonly #question: Question
  readonly #store: ZoneStore
  readonly #transport: Transport
  /** What went into the answer and authority sections, for the additional one. */
  readonly #written: RecordSet[] = []

  constructor(zone: Zone, question: Question, store: ZoneStore, transport: Transport) {
    this.#zone = zone
    this.#question = question
    this.#store = store
    this.#transport = transport
  }

  respond(): number {
    const { type } = this.#question
    let location = this.#zone.locate(this.#question.name, type)
    // AA speaks for the first owner name in the answer (RFC 1035 section 4.1.1): a referral behind an alias keeps it.
    if (location.kind !== 'delegation') writer.setAuthoritative()
    const visited = new Set<string>()
    for (;;) {
      if (location.kind === 'delegation') return this.#referral(location)
      if (location.kind === 'missing') return this.#negative(responseCodes.NXDOMAIN)
      const alias = findSet(location.node, typeNumbers.CNAME)
      if (alias === undefined || type === typeNumbers.CNAME || type === queryTypes.ANY)
        return this.#positive(location)
      if (visited.size >= aliasesMax || visited.has(location.owner)) return this.#finish()
      visited.add(location.owner)
      if (!this.#answer(location.owner, alias)) return this.#overflow()
      const target = alias.data[0]?.names[0] ?? ''
      const next = this.#follow(target)
      if (next === null) return this.#finish()
      location = next
    }
  }

  /** Where an alias leads, or null where the client has to ask again: outside of the zone. */
  #follow(target: string): Location | null {
    if (!isBelowOrAt(target, this.#zone.apex)) return null
    const location = this.#zone.locate(target, this.#question.type)
    if (location.kind === 'delegation' || this.#store.find(target) === this.#zone) return location
    return null
  }

  #positive(location: Extract<Location, { kind: 'found' }>): number {
    const { type } = this.#question
    // RFC 8482 section 4.1: one set stands for all of them.
    const set = type === queryTypes.ANY ? location.node.sets[0] : findSet(location.node, type)
    if (set === undefined) return this.#negative(responseCodes.NOERROR)
    if (!this.#answer(location.owner, set)) return this.#overflow()
    return this.#finish()
  }

  /** RFC 2308 sections 2 and 3: the SOA, with the lesser of its own TTL and its MINIMUM field. */
  #negative(code: number): number {
    const soa = this.#zone.set(this.#zone.apex, typeNumbers.SOA)
    if (soa === undefined) return responseCodes.SERVFAIL
    if (!writer.put('authority', this.#zone.apex, soa, Math.min(soa.ttl, minimumOf(soa)))) {
      this.#overflow()
    }
    return code
  }

  #referral(location: Extract<Location, { kind: 'delegation' }>): number {
    if (!writer.put('authority', location.owner, location.nameservers, location.nameservers.ttl)) {
      return this.#overflow()
    }
    this.#written.push(location.nameservers)
    return this.#finish(location.owner)
  }

  #answer(owner: string, set: RecordSet): boolean {
    this.#written.push(set)
    return writer.put('answer', owner, set, set.ttl)
  }

  /** A set that the answer needs does not fit: TC over UDP (RFC 2181 section 9); over TCP there is nothing larger to try. */
  #overflow(): number {
    if (this.#transport === 'tcp') return responseCodes.SERVFAIL
    writer.setTruncated()
    return responseCodes.NOERROR
  }

  /**
   * Adds the addresses of the names that NS, MX and SRV point to. They may be left out where they do not fit, except for
   * the servers below the cut of a referral, which cannot be found without them (RFC 9471 section 2).
   */
  #finish(cut?: string): number {
    const done = new Set<string>()
    for (const set of this.#written) {
      for (const target of set.targets) {
        if (done.has(target)) continue
        done.add(target)
        if (!this.#addresses(target) && cut !== undefined && isBelowOrAt(target, cut)) return this.#overflow()
      }
    }
    return responseCodes.NOERROR
  }

  #addresses(target: string): boolean {
    const node = this.#zone.addressNode(target)
    if (node === undefined) return true
    for (const type of [typeNumbers.A, typeNumbers.AAAA]) {
      const set = findSet(node, type)
      if (set !== undefined && !writer.put('additional', target, set, set.ttl)) return false
    }
    return true
  }
}

/** The last four octets of an SOA's data, RFC 1035 section 3.3.13. */
function minimumOf(soa: RecordSet): number {
  const octets = soa.data[0]?.after ?? ''
  let minimum = 0
  for (let index = octets.length - 4; index < octets.length; index += 1) {
    minimum = minimum * 256 + octets.charCodeAt(index)
  }
  return minimum
}
