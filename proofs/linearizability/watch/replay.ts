import { describeInput, describeKeyValue } from '../checker/describe.ts'
import { isWithin, type KeyValue } from '../checker/operations.ts'
import type { LookDone } from '../workload/history.ts'
import type { WatchEvent } from './record.ts'
import { describeEvent, isSameKeyValue, type StoreLog } from './store_log.ts'

const PROBLEMS_MAX = 20
const NO_REVISION = Number.POSITIVE_INFINITY

/** A read that says of which revision what it found is. */
export interface DatedRead {
  readonly what: string
  readonly revision: number
  readonly part: { readonly key: string; readonly end?: string }
  readonly found: readonly KeyValue[]
}

export function datedLooks(looks: readonly LookDone[]): readonly DatedRead[] {
  return looks.map(({ part, serializable, revision, answer, client }) => ({
    what: `client ${client}, ${serializable ? 'serializable' : 'linearizable'} ${describeInput({ kind: 'txn', compare: [], success: [part], failure: [] })}`,
    revision: revision === 0 ? answer.revision : revision,
    part,
    found: answer.found,
  }))
}

/**
 * Replays what watchers were told, revision by revision: each event's version, revisions and previous value are what its predecessors make
 * of it, and each read found what there was at its revision. The log must be whole up to `until`.
 */
export function replay(log: StoreLog, reads: readonly DatedRead[], until: number): readonly string[] {
  const store = new Map<string, Map<string, KeyValue>>()
  const problems: string[] = []
  const byRevision = reads.filter(({ revision }) => revision <= until)
  byRevision.sort((a, b) => a.revision - b.revision)
  let next = 0
  const readUpTo = (revision: number): void => {
    for (; next < byRevision.length; next++) {
      const read = byRevision[next] as DatedRead
      if (read.revision >= revision) return
      const problem = readProblem(store, read)
      if (problem !== undefined) problems.push(problem)
    }
  }
  for (const revision of log.revisions) {
    if (problems.length >= PROBLEMS_MAX) return problems
    readUpTo(revision)
    for (const event of log.changes.get(revision)?.events.values() ?? []) {
      const problem = eventProblem(store, event)
      if (problem !== undefined) problems.push(problem)
      apply(store, event)
    }
  }
  readUpTo(NO_REVISION)
  return problems.slice(0, PROBLEMS_MAX)
}

type Store = Map<string, Map<string, KeyValue>>

const groupOf = (key: string): string => key.slice(0, key.lastIndexOf('/') + 1)

function find(store: Store, key: string): KeyValue | undefined {
  return store.get(groupOf(key))?.get(key)
}

function apply(store: Store, { type, kv }: WatchEvent): void {
  const group = store.get(groupOf(kv.key)) ?? new Map<string, KeyValue>()
  store.set(groupOf(kv.key), group)
  if (type === 'put') group.set(kv.key, kv)
  else group.delete(kv.key)
}

function eventProblem(store: Store, event: WatchEvent): string | undefined {
  const { type, kv, previous } = event
  const before = find(store, kv.key)
  if (previous !== undefined && !isSameKeyValue(previous, before))
    return `${describeEvent(event)}: what was before is said to be ${describeKeyValue(previous)}, and was ${before === undefined ? 'nothing' : describeKeyValue(before)}`
  if (type === 'delete')
    return before === undefined ? `${describeEvent(event)}: there was no such key` : undefined
  const create = before?.create ?? kv.mod
  const version = (before?.version ?? 0) + 1
  return kv.create === create && kv.version === version
    ? undefined
    : `${describeEvent(event)}: it must be version ${version}, created ${create}`
}

function readProblem(store: Store, { what, revision, part, found }: DatedRead): string | undefined {
  const there = [...(store.get(groupOf(part.key))?.values() ?? [])]
    .filter(({ key }) => isWithin(part, key))
    .sort((a, b) => (a.key < b.key ? -1 : 1))
  if (there.length === found.length && there.every((kv, index) => isSameKeyValue(kv, found[index])))
    return undefined
  const list = (kvs: readonly KeyValue[]): string => kvs.map(describeKeyValue).join(' ') || 'nothing'
  return `${what} at revision ${revision} found ${list(found)}; there was ${list(there)}`
}
