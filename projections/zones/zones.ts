import dns from '../../domains/dns/contract.ts'
import type { RowOf } from '../../domains/kernel/contract.ts'
import type {
  ProjectedResources,
  Projection,
  ProjectionContext,
  ResourceChange,
} from '../kernel/projection.ts'

type Zone = RowOf<(typeof dns)['resources']['zone']>
type RecordSet = RowOf<(typeof dns)['resources']['record_set']>

/** Changes of a zone in a second, for long, and in a burst: a history that was left behind is taken to have had no more. */
const CHANGES_PER_SECOND = 256
const CHANGES_BURST = 65_536
/** Well below 2^31, from which on a serial counts as an earlier one (RFC 1982 section 3.2). */
const JUMP_MAX = 2 ** 30

/**
 * What an authoritative DNS server needs: a row a zone (`zone/<uid>`) and a row a record set (`record/<uid>`). A zone's serial is the
 * time of its last change in seconds, or one more than the serial before where that is larger: it grows with each change
 * (RFC 1982), and jumps at a restore: beyond what it may have been since in the history that was left behind.
 */
export const zones: Projection = {
  name: 'zones',
  version: 2,
  referrers: [],
  affected: ({ kind, before, after }: ResourceChange) => {
    const row = (after ?? before) as Zone | RecordSet
    if (kind === 'dns.zone') return [`zone/${row.uid}`]
    return kind === 'dns.record_set' ? [`record/${row.uid}`, `zone/${(row as RecordSet).zone}`] : []
  },
  affectedByHistory: (resources) => resources.all(dns, 'zone').map(({ uid }) => `zone/${uid}`),
  row: (key, resources, context) => {
    const [set, uid] = key.split('/') as ['zone' | 'record', string]
    const data = set === 'zone' ? zoneRow(uid, resources, context) : recordRow(uid, resources)
    return data === undefined ? undefined : { slice: '', data }
  },
}

function zoneRow(
  uid: string,
  resources: ProjectedResources,
  { now, before, sinceParent }: ProjectionContext,
): object | undefined {
  const zone = resources.get(dns, 'zone', uid)
  if (zone === undefined) return undefined
  const { primary, mailbox, refresh, retry, expire, minimum, ttl, nameservers } = zone
  const step = sinceParent === undefined ? 1 : jump(sinceParent / 1000)
  const serial = Math.max(Number(before?.['serial'] ?? 0) + step, Math.floor(now / 1000)) % 2 ** 32
  return {
    set: 'zone',
    name: zone.name,
    serial,
    primary,
    mailbox,
    refresh,
    retry,
    expire,
    minimum,
    ttl,
    nameservers,
  }
}

function jump(seconds: number): number {
  return Math.min(CHANGES_BURST + Math.ceil(seconds * CHANGES_PER_SECOND), JUMP_MAX)
}

function recordRow(uid: string, resources: ProjectedResources): object | undefined {
  const record = resources.get(dns, 'record_set', uid)
  const zone = record === undefined ? undefined : resources.get(dns, 'zone', record.zone)
  if (record === undefined || zone === undefined) return undefined
  const { domainName, type, ttl, values } = record
  return { set: 'record', zone: zone.name, name: domainName, type, ttl, values }
}
