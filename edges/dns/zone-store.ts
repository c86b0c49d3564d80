import {
  parseMailbox,
  parseName,
  parseValue,
  type RecordData,
  type RecordError,
  type RecordErrorCode,
  type RecordType,
} from '../../domains/dns/records.ts'
import { typeNumbers } from './protocol.ts'
import { isBelowOrAt, parentOf, type RecordSet, Zone } from './zone.ts'

export interface ZoneRow {
  readonly set: 'zone'
  /** Lower case, no trailing dot. */
  readonly name: string
  readonly serial: number
  /** MNAME: the primary name server. */
  readonly primary: string
  /** RNAME: `hostmaster.demo.test` or `hostmaster@demo.test`. */
  readonly mailbox: string
  /** Seconds, as the four after it. */
  readonly refresh: number
  readonly retry: number
  readonly expire: number
  /** How long a negative answer may be kept at most (RFC 2308 section 4). */
  readonly minimum: number
  /** Of the SOA and NS records that this row stands for. */
  readonly ttl: number
  readonly nameservers: readonly string[]
}

export interface RecordRow {
  readonly set: 'record'
  readonly zone: string
  /** Fully qualified, lower case, no trailing dot; `*.demo.test` is a wildcard. */
  readonly name: string
  readonly type: RecordType
  /** Seconds. */
  readonly ttl: number
  /** Presentation format, as `parseValue` of the dns domain reads it. */
  readonly values: readonly string[]
}

export interface RowChange {
  readonly key: string
  /** Null: the row is gone. */
  readonly row: ZoneRow | RecordRow | null
}

export interface RejectedRow {
  readonly key: string
  readonly code: RecordErrorCode | 'DNS_ROW_INVALID'
  readonly message: string
}

/** Seconds, RFC 2181 section 8. */
const ttlMax = 2 ** 31 - 1
/** RDATA octets of a set: with names of the longest kind it still fits one message over TCP. */
const setLengthMax = 48_000

/** Types whose names get their addresses into the additional section (RFC 1034 section 4.3.2, RFC 2782). */
const typesWithTargets: ReadonlySet<RecordType> = new Set(['NS', 'MX', 'SRV'])

interface ZoneEntry {
  readonly zone: Zone
  /** Served only while there is a zone row: records may arrive before it and stay a moment after it. */
  row: ImpliedSets | null
  rowKey: string
  records: number
}

/** What the zone row itself stands for at the apex, where no record row of that type takes its place. */
interface ImpliedSets {
  readonly soa: RecordSet
  readonly nameservers: RecordSet | null
}

interface Placement {
  readonly zone: string
  readonly name: string
  readonly type: number
}

/** The zones this server answers for, kept up to date by the rows of the zones projection. */
export class ZoneStore {
  #entries = new Map<string, ZoneEntry>()
  /** Which row put which set; a zone's own row is in the entry. */
  #placements = new Map<string, Placement>()
  #zoneKeys = new Map<string, string>()

  /** Zones served. */
  get zones(): number {
    return this.#zoneKeys.size
  }

  /** Record rows held. */
  get records(): number {
    return this.#placements.size
  }

  /**
   * Applies changes in order. A row that cannot be served is left out, in place of what its key held before, and comes back
   * with the reason; the others are served.
   */
  apply(changes: Iterable<RowChange>): readonly RejectedRow[] {
    const rejected: RejectedRow[] = []
    for (const { key, row } of changes) {
      this.#remove(key)
      if (row === null) continue
      const error = row.set === 'zone' ? this.#putZone(key, row) : this.#putRecord(key, row)
      if (error !== null) rejected.push({ key, code: error.code, message: error.message })
    }
    return rejected
  }

  /** Puts these rows in the place of all that was there, at once for whoever asks meanwhile. */
  replaceAll(rows: Iterable<RowChange>): readonly RejectedRow[] {
    const next = new ZoneStore()
    const rejected = next.apply(rows)
    this.#entries = next.#entries
    this.#placements = next.#placements
    this.#zoneKeys = next.#zoneKeys
    return rejected
  }

  /** The zone closest above `name` (lower case wire form), among the zones served. */
  find(name: string): Zone | undefined {
    for (let suffix = name; ; suffix = parentOf(suffix)) {
      const entry = this.#entries.get(suffix)
      if (entry !== undefined && entry.row !== null) return entry.zone
      if (suffix === '') return undefined
    }
  }

  #putZone(key: string, row: ZoneRow): Rejection | null {
    const name = parseName(row.name)
    if (!name.ok) return name
    const implied = impliedSets(row)
    if (!('soa' in implied)) return implied
    const entry = this.#entry(name.name.wire)
    if (entry.row !== null) return invalid(`The zone '${row.name}' has another row: ${entry.rowKey}.`)
    entry.row = implied
    entry.rowKey = key
    this.#zoneKeys.set(key, name.name.wire)
    this.#fillApex(entry)
    return null
  }

  #putRecord(key: string, row: RecordRow): Rejection | null {
    const zone = parseName(row.zone)
    if (!zone.ok) return zone
    const name = parseName(row.name)
    if (!name.ok) return name
    if (!isBelowOrAt(name.name.wire, zone.name.wire))
      return invalid(`'${row.name}' is not in the zone '${row.zone}'.`)
    const set = recordSet(row.type, row.ttl, row.values)
    if (!('data' in set)) return set
    if (row.type === 'SOA' && (name.name.wire !== zone.name.wire || set.data.length > 1)) {
      return invalid('A zone has one SOA record, at its apex.')
    }
    const placement = { zone: zone.name.wire, name: name.name.wire, type: set.type }
    const entry = this.#entry(placement.zone)
    const others = entry.zone.set(placement.name, placement.type)
    if (others !== undefined && !isImplied(entry, others)) {
      this.#release(placement.zone)
      return invalid(`'${row.name}' has another row for ${row.type}.`)
    }
    entry.zone.put(placement.name, set)
    entry.records += 1
    this.#placements.set(key, placement)
    return null
  }

  #remove(key: string): void {
    const zoneName = this.#zoneKeys.get(key)
    if (zoneName !== undefined) {
      const entry = this.#entry(zoneName)
      this.#zoneKeys.delete(key)
      for (const type of [typeNumbers.SOA, typeNumbers.NS]) {
        const set = entry.zone.set(zoneName, type)
        if (set !== undefined && isImplied(entry, set)) entry.zone.remove(zoneName, type)
      }
      entry.row = null
      this.#release(zoneName)
    }
    const placement = this.#placements.get(key)
    if (placement === undefined) return
    this.#placements.delete(key)
    const entry = this.#entry(placement.zone)
    entry.zone.remove(placement.name, placement.type)
    entry.records -= 1
    this.#fillApex(entry)
    this.#release(placement.zone)
  }

  #entry(name: string): ZoneEntry {
    const existing = this.#entries.get(name)
    if (existing !== undefined) return existing
    const entry: ZoneEntry = { zone: new Zone(name), row: null, rowKey: '', records: 0 }
    this.#entries.set(name, entry)
    return entry
  }

  #release(name: string): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined && entry.row === null && entry.records === 0) this.#entries.delete(name)
  }

  #fillApex(entry: ZoneEntry): void {
    if (entry.row === null) return
    const { apex } = entry.zone
    if (entry.zone.set(apex, typeNumbers.SOA) === undefined) entry.zone.put(apex, entry.row.soa)
    if (entry.row.nameservers !== null && entry.zone.set(apex, typeNumbers.NS) === undefined) {
      entry.zone.put(apex, entry.row.nameservers)
    }
  }
}

interface Rejection {
  readonly code: RejectedRow['code']
  readonly message: string
}

function invalid(message: string): Rejection {
  return { code: 'DNS_ROW_INVALID', message }
}

function isImplied(entry: ZoneEntry, set: RecordSet): boolean {
  return entry.row !== null && (set === entry.row.soa || set === entry.row.nameservers)
}

function impliedSets(row: ZoneRow): ImpliedSets | Rejection {
  const mailbox = parseMailbox(row.mailbox)
  if (!mailbox.ok) return mailbox
  const numbers = [row.serial, row.refresh, row.retry, row.expire, row.minimum]
  const soa = recordSet('SOA', row.ttl, [`${row.primary} ${mailbox.name.text} ${numbers.join(' ')}`])
  if (!('data' in soa)) return soa
  if (row.nameservers.length === 0) return { soa, nameservers: null }
  const nameservers = recordSet('NS', row.ttl, row.nameservers)
  return 'data' in nameservers ? { soa, nameservers } : nameservers
}

function recordSet(type: RecordType, ttl: number, values: readonly string[]): RecordSet | Rejection {
  if (!Number.isInteger(ttl) || ttl < 0 || ttl > ttlMax)
    return invalid(`The TTL ${ttl} must be 0 to ${ttlMax}.`)
  if (values.length === 0) return invalid('A record set has at least one value.')
  const byValue = new Map<string, RecordData>()
  let length = 0
  for (const value of values) {
    const parsed: ReturnType<typeof parseValue> | RecordError = parseValue(type, value)
    if (!parsed.ok) return parsed
    byValue.set(parsed.value, parsed.data)
    const { before, names, after } = parsed.data
    length += 12 + before.length + after.length + names.reduce((sum, name) => sum + name.length + 1, 0)
  }
  if (length > setLengthMax) return invalid(`The record set is longer than ${setLengthMax} octets.`)
  if (type === 'CNAME' && byValue.size > 1) return invalid('A CNAME has one value.')
  const data = [...byValue.values()]
  const targets = typesWithTargets.has(type) ? data.flatMap(({ names }) => names) : []
  return { type: typeNumbers[type], ttl, data, isCompressed: type !== 'SRV', targets }
}
