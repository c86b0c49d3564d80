import type { Context, View } from '../kernel/domain.ts'
import { BEGINNING, type Progress } from './contract.ts'
import { refusal } from './errors.ts'
import { bounds, type Interval, meets, without } from './interval.ts'
import type {
  Compare,
  DeleteAnswer,
  DeleteRequest,
  KeyValue,
  Operation,
  OperationAnswer,
  PutAnswer,
  PutRequest,
  RangeRequest,
  TxnAnswer,
  TxnRequest,
} from './model.ts'
import { answerRange, presentSource, type RangeSource } from './range.ts'
import type state from './state.ts'
import { checkSwept, isLarge } from './sweep.ts'

type KvView = View<typeof state>

/** Keys that one transaction reads, at most: all of it happens in one turn of the event loop. */
const READ_MAX = 20_000

/** How many keys a transaction reads. */
export class ReadKeys {
  readonly #isCommitted: boolean
  #count = 0

  /** `isCommitted`: what the transaction writes is committed already, which is then said. */
  constructor(isCommitted = false) {
    this.#isCommitted = isCommitted
  }

  /** Throws a Rejection when so many more are too many. */
  add(keys: number): void {
    this.#count += keys
    if (this.#count > READ_MAX) throw refusal(this.#isCommitted ? 'tooManyKeysCommitted' : 'tooManyKeys')
  }
}

/** What writes: a decision. Without one, a transaction may only read. */
export type Emit = Context<typeof state>['emit']

/** A transaction's view of the store while it is under way: every write in it belongs to one revision. */
export class Transaction {
  readonly #view: KvView
  readonly #emit: Emit | undefined
  readonly #begin: Progress
  #changed = false
  /** How many rows it has deleted, and what is deleted in it and has rows yet. */
  #deleted = 0
  readonly #read = new ReadKeys()
  #swept: readonly Interval[] = []
  /** What it puts, before or after. */
  #puts: readonly string[] = []

  constructor(view: KvView, emit: Emit | undefined) {
    this.#view = view
    this.#emit = emit
    this.#begin = progressOf(view)
  }

  /** The revision that the store has if it ends here. */
  get revision(): number {
    return this.#changed ? this.#begin.revision + 1 : this.#begin.revision
  }

  /** Compares and does the one or the other. Throws a Rejection before anything is done. */
  run(request: TxnRequest): TxnAnswer {
    checkSwept(this.#view, intervalsOf(request))
    const paths = new Map<TxnRequest, boolean>()
    this.#decidePaths(request, paths)
    this.#checkPuts(request, paths)
    this.#checkRanges(request, paths)
    this.#puts = putsOf(request, paths)
    const { succeeded, answers } = this.#apply(request, paths)
    return { revision: this.revision, succeeded, answers }
  }

  put(request: PutRequest): PutAnswer {
    const { key, ignoreValue, ignoreLease } = request
    const before = this.#view.keys.get(key)
    if ((ignoreValue || ignoreLease) && before === undefined) throw refusal('keyNotFound')
    const revision = this.#begin.revision + 1
    this.#emitted()('Put', {
      revision,
      key,
      value: ignoreValue && before !== undefined ? before.value : request.value,
      createRevision: before?.createRevision ?? revision,
      version: (before?.version ?? 0) + 1,
      lease: ignoreLease && before !== undefined ? before.lease : request.lease,
    })
    this.#changed = true
    return { revision, previous: request.previous ? before : undefined }
  }

  deleteRange({ key, rangeEnd, previous }: DeleteRequest): DeleteAnswer {
    const [from, to] = bounds(key, rangeEnd)
    const source = this.#present
    const deleted = source.count(from, to)
    const before = previous ? source.read(from, to, undefined) : []
    if (deleted > 0) {
      this.#deleted += deleted
      const swept = isLarge(this.#deleted) || this.#swept.some((interval) => meets(interval, [from, to]))
      this.#emitted()('Deleted', {
        revision: this.#begin.revision + 1,
        key,
        rangeEnd,
        ...(swept && { swept }),
      })
      if (swept) this.#sweeps([from, to])
      this.#changed = true
    }
    return { revision: this.revision, deleted, previous: before }
  }

  /** What is swept goes after the transaction: throws a Rejection when it would take what is put in it. */
  #sweeps(interval: Interval): void {
    if (this.#puts.some((key) => meets(interval, bounds(key, '')))) throw refusal('putAmongSwept')
    this.#swept = [...this.#swept, interval]
  }

  /** Throws a Rejection when a put names a lease that is not there. */
  checkLease({ lease }: PutRequest): void {
    if (lease !== '0' && this.#view.leases.get(lease) === undefined) throw refusal('leaseNotFound')
  }

  #emitted(): Emit {
    if (this.#emit === undefined) throw new Error('a transaction that only reads has met a write')
    return this.#emit
  }

  /** All comparisons, nested ones too, see the store as it was before. */
  #decidePaths(request: TxnRequest, paths: Map<TxnRequest, boolean>): void {
    const succeeded = request.compare.every((compare) => {
      this.#read.add(this.#view.keys.countRange(...bounds(compare.key, compare.rangeEnd)))
      return holds(this.#view, compare)
    })
    paths.set(request, succeeded)
    for (const operation of succeeded ? request.success : request.failure)
      if (operation.kind === 'txn') this.#decidePaths(operation.request, paths)
  }

  #checkPuts(request: TxnRequest, paths: ReadonlyMap<TxnRequest, boolean>): void {
    for (const operation of pathOf(request, paths)) {
      if (operation.kind === 'txn') this.#checkPuts(operation.request, paths)
      if (operation.kind !== 'put') continue
      const { key, ignoreValue, ignoreLease } = operation.request
      if ((ignoreValue || ignoreLease) && this.#view.keys.get(key) === undefined) throw refusal('keyNotFound')
      this.checkLease(operation.request)
    }
  }

  #checkRanges(request: TxnRequest, paths: ReadonlyMap<TxnRequest, boolean>): void {
    for (const operation of pathOf(request, paths)) {
      if (operation.kind === 'txn') this.#checkRanges(operation.request, paths)
      if (operation.kind === 'range') checkRevision(this.#begin, operation.request.revision)
    }
  }

  #apply(request: TxnRequest, paths: ReadonlyMap<TxnRequest, boolean>): Omit<TxnAnswer, 'revision'> {
    const answers = pathOf(request, paths).map((operation): OperationAnswer => {
      switch (operation.kind) {
        case 'range':
          return this.#range(operation.request)
        case 'put':
          return { kind: 'put', answer: this.put(operation.request) }
        case 'delete':
          return { kind: 'delete', answer: this.deleteRange(operation.request) }
        case 'txn': {
          const { succeeded, answers } = this.#apply(operation.request, paths)
          return { kind: 'txn', answer: { revision: 0, succeeded, answers } }
        }
      }
    })
    return { succeeded: paths.get(request) === true, answers }
  }

  #range(request: RangeRequest): OperationAnswer {
    const past = request.revision > 0 && (request.revision < this.#begin.revision || this.#changed)
    if (past) return { kind: 'past', request, revision: this.revision }
    return { kind: 'range', answer: answerRange(request, this.#present, this.revision) }
  }

  get #present(): RangeSource {
    const source = without(presentSource(this.#view.keys), this.#swept)
    return {
      count: (from, to) => source.count(from, to),
      read: (from, to, limit) => {
        this.#read.add(Math.min(source.count(from, to), limit ?? READ_MAX + 1))
        return source.read(from, to, limit)
      },
    }
  }
}

/** Which keys a transaction may read or write. */
export function intervalsOf({ compare, success, failure }: TxnRequest): readonly Interval[] {
  const compared = compare.map(({ key, rangeEnd }) => bounds(key, rangeEnd))
  return [...success, ...failure].reduce<readonly Interval[]>((found, operation) => {
    if (operation.kind === 'txn') return [...found, ...intervalsOf(operation.request)]
    const { key } = operation.request
    return [...found, bounds(key, operation.kind === 'put' ? '' : operation.request.rangeEnd)]
  }, compared)
}

/** How far the store is. */
export function progressOf(view: KvView): Progress {
  return view.progress.get('current') ?? BEGINNING
}

/** Throws a Rejection for a revision that has not come, or is no longer kept. */
export function checkRevision({ revision, compacted }: Progress, wanted: number): void {
  if (wanted > revision) throw refusal('futureRevision')
  if (wanted > 0 && wanted < compacted) throw refusal('compacted')
}

function pathOf(request: TxnRequest, paths: ReadonlyMap<TxnRequest, boolean>): readonly Operation[] {
  return paths.get(request) === true ? request.success : request.failure
}

function putsOf(request: TxnRequest, paths: ReadonlyMap<TxnRequest, boolean>): readonly string[] {
  return pathOf(request, paths).flatMap((operation) => {
    if (operation.kind === 'txn') return putsOf(operation.request, paths)
    return operation.kind === 'put' ? [operation.request.key] : []
  })
}

const ABSENT = { createRevision: 0, modRevision: 0, version: 0, lease: '0' }

/** A comparison of an interval holds when it does for each key; of a missing key only the value cannot be compared. */
function holds({ keys }: KvView, compare: Compare): boolean {
  const [from, to] = bounds(compare.key, compare.rangeEnd)
  let found = false
  for (const kv of keys.range(from, to)) {
    found = true
    if (
      !holdsFor(
        compare,
        compare.target === 'value' ? order(kv.value, compare.operand) : byNumber(compare, kv),
      )
    )
      return false
  }
  if (found) return true
  return compare.target !== 'value' && holdsFor(compare, byNumber(compare, ABSENT))
}

function byNumber({ target, operand }: Compare, kv: Omit<KeyValue, 'key' | 'value'>): number {
  const { createRevision: create, modRevision: mod, version, lease } = kv
  const numbers = { create, mod, version, lease, value: 0 }
  return order(BigInt(numbers[target]), BigInt(operand))
}

function order<T extends string | bigint>(a: T, b: T): number {
  return a === b ? 0 : a < b ? -1 : 1
}

function holdsFor({ result }: Compare, order: number): boolean {
  switch (result) {
    case 'equal':
      return order === 0
    case 'not_equal':
      return order !== 0
    case 'greater':
      return order > 0
    case 'less':
      return order < 0
  }
}
