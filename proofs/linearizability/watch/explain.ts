import { describeInput, describeOutput } from '../checker/describe.ts'
import { isWithin, type KvOperation, type Part } from '../checker/operations.ts'
import type { WatchEvent } from './record.ts'
import { type Change, describeEvent, type StoreLog } from './store_log.ts'

const PROBLEMS_MAX = 20

/**
 * Whether each revision that watchers were told of was made by one operation of the history, and each acknowledged write is in
 * its revision, once, as it was acknowledged. The log must be whole up to `until`.
 */
export function explain(log: StoreLog, operations: readonly KvOperation[], until: number): readonly string[] {
  const problems: string[] = []
  const explained = new Set<number>()
  for (const operation of operations) {
    const told = toldEffects(operation)
    if (told === undefined || told.revision > until) continue
    const { revision, puts, deletes } = told
    const events = log.changes.get(revision)?.events
    const name = `${describeInput(operation.input)} → ${describeOutput(operation.output)}`
    if (events === undefined) problems.push(`${name}: no watcher was told of it`)
    else if (!isExactly(events, puts, deletes))
      problems.push(`${name}: watchers were told ${[...events.values()].map(describeEvent).join(', ')}`)
    else if (explained.has(revision)) problems.push(`${name}: another operation has that revision, too`)
    explained.add(revision)
  }
  const open = new OpenWrites(operations)
  for (const revision of log.revisions) {
    if (explained.has(revision)) continue
    const change = log.changes.get(revision) as Change
    if (!open.explain(change))
      problems.push(
        `nobody is left who can have done ${[...change.events.values()].map(describeEvent).join(', ')}`,
      )
  }
  return problems.slice(0, PROBLEMS_MAX)
}

interface Effects {
  readonly revision: number
  /** The last value put on each key, unless it was deleted after. */
  readonly puts: ReadonlyMap<string, string>
  /** The keys deleted, where the answer tells which, and how many. */
  readonly deletes: { readonly count: number }
}

/** What an acknowledged write must have done; undefined for what changed nothing. */
function toldEffects({ input, output }: KvOperation): Effects | undefined {
  if (output?.kind !== 'txn' || input.kind !== 'txn') return undefined
  const puts = new Map<string, string>()
  let count = 0
  for (const [index, part] of (output.succeeded ? input.success : input.failure).entries()) {
    if (part.kind === 'put') puts.set(part.key, part.value)
    const answer = output.answers[index]
    if (answer?.kind === 'delete') count += answer.deleted
  }
  if (puts.size === 0 && count === 0) return undefined
  return { revision: output.revision, puts, deletes: { count } }
}

function isExactly(
  events: ReadonlyMap<string, WatchEvent>,
  puts: ReadonlyMap<string, string>,
  deletes: { readonly count: number },
): boolean {
  const putEvents = [...events.values()].filter(({ type }) => type === 'put')
  return (
    events.size - putEvents.length === deletes.count &&
    putEvents.length === puts.size &&
    putEvents.every(({ kv }) => puts.get(kv.key) === kv.value)
  )
}

/** Operations that may have happened without a word, or whose answer tells no revision of its own. */
class OpenWrites {
  /** By the values they put: a value is unique. */
  readonly #byValue = new Map<string, KvOperation>()
  readonly #deleting: KvOperation[] = []
  /** Which change an operation explains. */
  readonly #explained = new Map<number, Change>()

  constructor(operations: readonly KvOperation[]) {
    for (const operation of operations) {
      const { input, output } = operation
      if (output?.kind === 'refused') continue
      if (input.kind === 'revoke' || input.kind === 'expire') this.#deleting.push(operation)
      if (input.kind !== 'txn' || output !== undefined) continue
      const parts = [...input.success, ...input.failure]
      for (const part of parts) if (part.kind === 'put') this.#byValue.set(part.value, operation)
      if (parts.some(({ kind }) => kind === 'delete')) this.#deleting.push(operation)
    }
  }

  /** Finds an operation for a change, and others for those that it takes theirs from (an augmenting path, as Kuhn has it). */
  explain(change: Change, asked = new Set<number>()): boolean {
    const { events, firstTold } = change
    const [put] = [...events.values()].filter(({ type }) => type === 'put')
    const candidates = put === undefined ? this.#deleting : [this.#byValue.get(put.kv.value)]
    for (const operation of candidates) {
      if (operation === undefined || asked.has(operation.id)) continue
      if (operation.call > firstTold || !canHaveDone(operation, events)) continue
      asked.add(operation.id)
      const other = this.#explained.get(operation.id)
      if (other !== undefined && !this.explain(other, asked)) continue
      this.#explained.set(operation.id, change)
      return true
    }
    return false
  }
}

function canHaveDone({ input, output }: KvOperation, events: ReadonlyMap<string, WatchEvent>): boolean {
  if (input.kind === 'revoke' || input.kind === 'expire')
    return [...events.values()].every(
      ({ type, kv, previous }) =>
        type === 'delete' &&
        (output?.kind !== 'revoked' || output.revision === kv.mod) &&
        (previous === undefined || previous.lease === input.lease),
    )
  if (input.kind !== 'txn') return false
  return [input.success, input.failure].some(
    (parts) =>
      [...events.values()].every(({ type, kv }) =>
        parts.some((part) => does(part, type, kv.key, kv.value)),
      ) && parts.every((part) => part.kind !== 'put' || events.has(part.key)),
  )
}

function does(part: Part, type: WatchEvent['type'], key: string, value: string): boolean {
  if (type === 'put') return part.kind === 'put' && part.key === key && part.value === value
  return part.kind === 'delete' && isWithin(part, key)
}
