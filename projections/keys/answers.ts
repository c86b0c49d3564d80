import type { DatabaseSync } from 'node:sqlite'
import { reject } from '../../domains/kernel/rejection.ts'
import type { KeyValue, Progress } from '../../domains/kv/contract.ts'
import { hashVersions } from './hash.ts'
import type {
  KeyEvent,
  KeyQueries,
  PastEvents,
  PastEventsAnswer,
  PastKeys,
  PastRange,
  PastRangeAnswer,
} from './queries.ts'
import { bytesOf, COLUMNS, keyValueOf, LATEST, type Version, within } from './versions.ts'

/** Events or keys in one answer; and bytes of keys and values, roughly. */
const EVENTS_MAX = 1000
const BYTES_MAX = 1 << 20

type Answers = {
  readonly [Q in keyof KeyQueries]: (
    database: DatabaseSync,
    progress: Progress,
    ask: KeyQueries[Q]['ask'],
    /** The progress at any time, for what takes more than a turn of the event loop. */
    now: () => Progress,
  ) => KeyQueries[Q]['answer'] | Promise<KeyQueries[Q]['answer']>
}

export const answerKeys: Answers = {
  range: (database, progress, ask) => {
    checkRevision(progress, ask.revision)
    return readRange(database, ask)
  },
  count: (database, progress, ask) => {
    checkRevision(progress, ask.revision)
    const counted = database
      .prepare(
        `SELECT count(*) AS count FROM key_version v WHERE ${within(ask.to)} AND v.value IS NOT NULL AND ${LATEST}`,
      )
      .get(parametersOf(ask))
    return { count: counted?.['count'] as number }
  },
  events: readEvents,
  hash: (database, progress, { revision }, now) => {
    checkRevision(progress, revision)
    return hashVersions(database, revision, now)
  },
  progress: (database, { revision, compacted }) => {
    const pragma = (name: string): number =>
      Object.values(database.prepare(`PRAGMA ${name}`).get() ?? {})[0] as number
    const page = pragma('page_size')
    const pages = pragma('page_count')
    return {
      revision,
      compacted,
      sizeBytes: page * pages,
      sizeInUseBytes: page * (pages - pragma('freelist_count')),
    }
  },
}

function checkRevision({ revision, compacted }: Progress, wanted: number): void {
  if (wanted > revision)
    reject('REVISION_UNKNOWN', 'etcdserver: mvcc: required revision is a future revision', { revision })
  if (wanted < compacted)
    reject('REVISION_COMPACTED', 'etcdserver: mvcc: required revision has been compacted', { compacted })
}

function parametersOf({ from, to, revision }: PastKeys) {
  return {
    $from: bytesOf(from),
    ...(to === undefined ? {} : { $to: bytesOf(to) }),
    $revision: revision,
  }
}

/** Reads keys from one on, as many as fit. */
function readRange(database: DatabaseSync, ask: PastRange): PastRangeAnswer {
  const most = Math.min(ask.limit ?? EVENTS_MAX, EVENTS_MAX)
  const rows = database
    .prepare(
      `SELECT ${COLUMNS} FROM key_version v WHERE ${within(ask.to)} AND v.value IS NOT NULL AND ${LATEST}
        ORDER BY v.key LIMIT ${most + 1}`,
    )
    .iterate(parametersOf(ask))
  const kvs: KeyValue[] = []
  let bytes = 0
  for (const found of rows) {
    const kv = keyValueOf(found as unknown as Version)
    if (kvs.length >= most || bytes >= BYTES_MAX) return { kvs, next: kv.key }
    bytes += kv.key.length + kv.value.length
    kvs.push(kv)
  }
  return { kvs, next: undefined }
}

/** Whether there is one key alone in an interval: it has an index. */
function isOne(from: string, to: string | undefined): boolean {
  return to === `${from}\0`
}

function readEvents(
  database: DatabaseSync,
  { compacted, revision }: Progress,
  { from, to, since, sub, until, previous }: PastEvents,
): KeyQueries['events']['answer'] {
  if (since < compacted) checkRevision({ compacted, revision }, since)
  if (until > revision)
    reject('UNAVAILABLE', `the history of keys ends at revision ${revision}, and does not have ${until} yet`)
  const last = sub > 0 ? since : until
  const statement = database.prepare(
    `SELECT ${COLUMNS} FROM key_version v WHERE (v.revision, v.sub) >= ($since, $sub) AND v.revision <= $last
      AND ${isOne(from, to) ? 'v.key = $from' : within(to)} ORDER BY v.revision, v.sub`,
  )
  const bounds = to === undefined || isOne(from, to) ? {} : { $to: bytesOf(to) }
  const place = { $since: since, $sub: sub, $last: last }
  const rows = statement.iterate({ ...place, $from: bytesOf(from), ...bounds })
  const events: KeyEvent[] = []
  let bytes = 0
  for (const found of rows) {
    const row = found as unknown as Version
    if (events.length >= EVENTS_MAX || bytes >= BYTES_MAX) return endingBefore(row, events)
    const before = previous ? readBefore(database, row) : undefined
    bytes += row.key.length + (row.value?.length ?? 0) + (before?.value.length ?? 0)
    events.push({ type: row.value === null ? 'delete' : 'put', kv: keyValueOf(row), previous: before })
  }
  return { events, next: last + 1, sub: 0 }
}

/** Leaves away what is there of the row's revision, unless there is nothing else. */
function endingBefore({ revision, sub }: Version, events: readonly KeyEvent[]): PastEventsAnswer {
  if (events[0]?.kv.modRevision === revision) return { events, next: revision, sub }
  return { events: events.filter(({ kv }) => kv.modRevision < revision), next: revision, sub: 0 }
}

/** The key before a change of it. */
function readBefore(database: DatabaseSync, { key, revision, sub }: Version): KeyValue | undefined {
  const found = database
    .prepare(
      `SELECT ${COLUMNS} FROM key_version v WHERE v.key = ? AND (v.revision, v.sub) < (?, ?)
        ORDER BY v.revision DESC, v.sub DESC LIMIT 1`,
    )
    .get(key, revision, sub) as unknown as Version | undefined
  return found === undefined || found.value === null ? undefined : keyValueOf(found)
}
