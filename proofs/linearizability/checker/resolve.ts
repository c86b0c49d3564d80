import type { Hints } from './linearize.ts'
import {
  isWithin,
  type KeyValue,
  type KvOperation,
  type KvOutput,
  type Part,
  writesIn,
} from './operations.ts'

/** Stands for all values that nobody has seen: which it is makes no difference. */
const UNSEEN = '?'

interface Sighting {
  readonly mod: number
  /** When the first one who saw it was answered. */
  end: number
}

/**
 * Says of the operations without an answer what other answers tell about them: whose value was seen has happened, by then, and in the
 * revision that was seen with it. Values must be unique: one that nobody has seen, or compared with, is as good as another.
 */
export function resolved(operations: readonly KvOperation[]): readonly KvOperation[] {
  const compared = new Set(
    operations
      .flatMap(({ input }) => (input.kind === 'txn' ? input.compare : []))
      .map(({ operand }) => operand),
  )
  const sightings = new Map<string, Sighting>()
  for (const { output, end } of operations) {
    for (const { value, mod } of seenIn(output)) {
      const known = sightings.get(value)
      if (known === undefined) sightings.set(value, { mod, end })
      else known.end = Math.min(known.end, end)
    }
  }
  return operations.map((operation) => {
    const { input, output, call } = operation
    if (output !== undefined || input.kind !== 'txn') return operation
    for (const [succeeded, parts] of [
      [true, input.success],
      [false, input.failure],
    ] as const) {
      const sighting = parts.map((part) => (part.kind === 'put' ? sightings.get(part.value) : undefined))
      const seen = sighting.find((each) => each !== undefined)
      if (seen !== undefined)
        return {
          ...operation,
          end: Math.max(call, seen.end),
          output: { kind: 'seen', revision: seen.mod, succeeded },
        }
    }
    const unseen = (parts: readonly Part[]): readonly Part[] =>
      parts.map((part) =>
        part.kind === 'put' && !compared.has(part.value) ? { ...part, value: UNSEEN } : part,
      )
    return {
      ...operation,
      input: { ...input, success: unseen(input.success), failure: unseen(input.failure) },
    }
  })
}

function seenIn(output: KvOutput | undefined): readonly KeyValue[] {
  if (output?.kind !== 'txn') return []
  return output.answers.flatMap((answer) => {
    if (answer.kind === 'get') return answer.found
    if (answer.kind === 'delete') return answer.previous
    return answer.previous === undefined ? [] : [answer.previous]
  })
}

/**
 * What is known of a history of keys. Operations bear on each other that share a key or a lease: one without an answer need not be tried
 * just before one that it does not bear on, as it can as well come after. (Where a key was seen with a creation that no known write
 * explains, whoever may have made it bears on all: its revision tells its place.) And revisions never fall: a write comes before the
 * reads of its revision, and these before the next write.
 */
export function hintsOf(operations: readonly KvOperation[]): Hints {
  const known = new Set(
    operations.flatMap(({ output }) =>
      output !== undefined && 'revision' in output ? [output.revision] : [],
    ),
  )
  const unexplained = new Set(
    operations.flatMap(revisionsShown).flatMap(({ key, revision }) => (known.has(revision) ? [] : [key])),
  )
  const keysOfLease = new Map<string, string[]>()
  for (const part of operations.flatMap(partsOf))
    if (part.kind === 'put' && part.lease !== '0')
      keysOfLease.set(part.lease, [...(keysOfLease.get(part.lease) ?? []), part.key])
  const reaches = operations.map((operation) => new Reach(operation, keysOfLease, unexplained))
  const ranks = operations.map(rankOf)
  return {
    bears: (one, other) => (reaches[one] as Reach).meets(reaches[other] as Reach),
    rank: (operation) => ranks[operation] as Rank,
    effect: (operation) => effectOf(operations[operation] as KvOperation),
  }
}

/** Revisions of keys that an answer holds, or that its request has learnt elsewhere. */
function revisionsShown({ input, output }: KvOperation): readonly { key: string; revision: number }[] {
  const shown = seenIn(output).map(({ key, create }) => ({ key, revision: create }))
  if (input.kind !== 'txn') return shown
  const compared = input.compare.flatMap(({ key, target, operand }) =>
    (target === 'create' || target === 'mod') && operand !== 0 ? [{ key, revision: Number(operand) }] : [],
  )
  return [...shown, ...compared]
}

/** Answers aside, as there are none: reads do nothing. */
function effectOf({ input }: KvOperation): string {
  if (input.kind !== 'txn') return JSON.stringify(input)
  const writes = (parts: readonly Part[]): readonly Part[] =>
    parts.filter(({ kind }) => kind !== 'get').map((part) => ({ ...part, previous: false }))
  return JSON.stringify([input.compare, writes(input.success), writes(input.failure)])
}

interface Rank {
  readonly low: number
  readonly high: number
}

function rankOf({ output }: KvOperation): Rank {
  const [write, read] =
    output !== undefined && 'revision' in output ? [2 * output.revision, 2 * output.revision + 1] : []
  const isKnown = output !== undefined && write !== undefined && read !== undefined
  if (!isKnown || output.kind === 'kept' || output.kind === 'inspected')
    return { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }
  if (output.kind === 'seen' || writesIn(output)) return { low: write, high: write }
  return { low: output.kind === 'revoked' ? write : read, high: read }
}

function partsOf({ input }: KvOperation): readonly Part[] {
  return input.kind === 'txn' ? [...input.success, ...input.failure] : []
}

/** What an operation is about. */
class Reach {
  readonly #intervals: readonly { readonly key: string; readonly end?: string }[]
  readonly #leases: ReadonlySet<string>
  readonly #isEverywhere: boolean

  constructor(
    operation: KvOperation,
    keysOfLease: ReadonlyMap<string, readonly string[]>,
    unexplained: ReadonlySet<string>,
  ) {
    const { input, output } = operation
    const parts = partsOf(operation)
    const leases = parts.flatMap((part) => (part.kind === 'put' && part.lease !== '0' ? [part.lease] : []))
    if (input.kind !== 'txn') leases.push(input.lease)
    this.#leases = new Set(leases)
    const attached = input.kind === 'txn' ? [] : (keysOfLease.get(input.lease) ?? []).map((key) => ({ key }))
    this.#intervals = [...parts, ...(input.kind === 'txn' ? input.compare : []), ...attached]
    this.#isEverywhere =
      output === undefined && parts.some((part) => part.kind === 'put' && unexplained.has(part.key))
  }

  meets(other: Reach): boolean {
    if (this.#isEverywhere || other.#isEverywhere) return true
    if (this.#leases.intersection(other.#leases).size > 0) return true
    return this.#intervals.some((one) =>
      other.#intervals.some((two) => isWithin(one, two.key) || isWithin(two, one.key)),
    )
  }
}
