import { EventList } from './event_list.ts'
import type { Model, Operation } from './history.ts'
import { Memory } from './memory.ts'

/** How far a search goes before it says that it does not know. */
export interface Limits {
  readonly milliseconds: number
  /** States that are remembered. */
  readonly states: number
}

/** Operations are given by their ids, in the order found. */
export type Verdict =
  | { readonly outcome: 'linearizable'; readonly order: readonly number[] }
  /** No order explains all; `longest` explains the most. */
  | { readonly outcome: 'violation'; readonly longest: readonly number[] }
  /** The limits were reached: this proves nothing. */
  | { readonly outcome: 'unknown'; readonly why: string }

interface Frame<State> {
  readonly state: State
  readonly candidates: readonly number[]
  nextCandidate: number
  /** The operation that is tried, and the states it leads to. */
  operation: number
  branches: readonly State[]
  nextBranch: number
  /** How many operations without an outcome have just been taken. */
  readonly row: number
  /** Those of them that bear on none taken after them so far. */
  readonly owing: readonly number[]
}

const STEPS_BETWEEN_LOOKS = 1024
/** How many operations without an outcome may follow each other. */
const ROWS = [1, 2, 4, Number.POSITIVE_INFINITY] as const

/** What is known of a history beforehand, and makes the search shorter. Operations are given by their places. */
export interface Hints {
  /** Whether two operations can lead to different states, or answers, in different orders. */
  readonly bears: (one: number, other: number) => boolean
  /**
   * Where an operation stands in every order that explains the history, if there is one: none with a higher `low` comes before one with a
   * lower `high`. Of an operation that did not end, nothing is known.
   */
  readonly rank: (operation: number) => { readonly low: number; readonly high: number }
  /** Of operations that did not end: equal for those that do the same. */
  readonly effect: (operation: number) => string
}

const noHints: Hints = {
  bears: () => true,
  rank: () => ({ low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY }),
  effect: String,
}

/**
 * Whether a history is linearizable: whether each operation can be given an instant between its call and its return such that the model,
 * taking them in that order, answers as was answered. The algorithm is Wing and Gong's with Lowe's memory of states seen, as in porcupine.
 * Operations whose outcome is not known are tried last, as most of them are not needed to explain the others, and only where, up to the
 * next one that ended, something comes that they bear on: an order in which they come later is as good. Of two next to each other that do
 * not bear on each other, the one called first comes first. Orders with a few of them in a row are tried before those with many.
 */
export function linearize<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  limits: Limits,
  hints: Hints = noHints,
): Verdict {
  return new Search(model, operations, hints).run(limits)
}

class Search<State, Input, Output> {
  readonly #model: Model<State, Input, Output>
  readonly #operations: readonly Operation<Input, Output>[]
  readonly #hints: Hints
  readonly #list: EventList
  /** Those whose outcome is not known, by the time of their call. */
  readonly #open: readonly number[]
  /** The others, lowest `high` first. */
  readonly #ranked: readonly number[]
  /** Which of the operations that ended are taken, 16 a word. */
  readonly #taken: Uint16Array
  /** Which of the others are, by their place in `#open`. */
  #takenOpen = 0n
  readonly #openBits: ReadonlyMap<number, bigint>
  /** Of an open operation: one that does the same and was called before it, which comes first where both happen. */
  readonly #twins = new Map<number, number>()
  /** Of an open operation: where the first that does the same is in `#open`. */
  readonly #places = new Map<number, number>()
  #memory = new Memory()
  #rowMax = 0
  #remaining: number
  #fewest = Number.POSITIVE_INFINITY
  #longest: readonly number[] = []

  constructor(
    model: Model<State, Input, Output>,
    operations: readonly Operation<Input, Output>[],
    hints: Hints,
  ) {
    this.#model = model
    this.#hints = hints
    this.#operations = operations
    this.#list = new EventList(operations)
    this.#taken = new Uint16Array(Math.ceil(operations.length / 16))
    this.#open = operations
      .map((_, index) => index)
      .filter((index) => this.#isOpen(index))
      .sort((a, b) => this.#at(a).call - this.#at(b).call)
    const high = operations.map((_, index) => hints.rank(index).high)
    this.#ranked = operations
      .map((_, index) => index)
      .filter((index) => !this.#isOpen(index))
      .sort((a, b) => (high[a] as number) - (high[b] as number))
    this.#openBits = new Map(this.#open.map((operation, place) => [operation, 1n << BigInt(place)]))
    this.#remaining = operations.length - this.#open.length
    const effects = new Map<string, number>()
    for (const [place, operation] of this.#open.entries()) {
      const effect = hints.effect(operation)
      const twin = effects.get(effect)
      if (twin !== undefined) this.#twins.set(operation, twin)
      this.#places.set(operation, (twin === undefined ? undefined : this.#places.get(twin)) ?? place)
      effects.set(effect, operation)
    }
  }

  run({ milliseconds, states }: Limits): Verdict {
    const limits = { milliseconds, states, deadline: performance.now() + milliseconds }
    for (const rowMax of ROWS) {
      this.#rowMax = rowMax
      this.#memory = new Memory()
      const verdict = this.#go(limits)
      if (verdict.outcome !== 'violation' || rowMax >= this.#open.length) return verdict
    }
    throw new RangeError('a search without a bound has not ended')
  }

  #go(limits: Limits & { readonly deadline: number }): Verdict {
    const { milliseconds, states, deadline } = limits
    const frames: Frame<State>[] = [this.#frame(this.#model.initial, -1, 0, [])]
    for (let steps = 1; ; steps++) {
      if (this.#remaining === 0) return { outcome: 'linearizable', order: this.#order(frames) }
      if (steps % STEPS_BETWEEN_LOOKS === 0 && performance.now() > deadline)
        return { outcome: 'unknown', why: `it was not decided in ${milliseconds} ms` }
      if (this.#memory.size > states)
        return { outcome: 'unknown', why: `it was not decided within ${states} states` }
      const frame = frames.at(-1)
      if (frame === undefined) return { outcome: 'violation', longest: this.#longest }
      const deeper = this.#advance(frame)
      if (deeper !== undefined) {
        frames.push(deeper)
        this.#remember(frames)
      } else if (
        frame.nextBranch >= frame.branches.length &&
        frame.nextCandidate >= frame.candidates.length
      ) {
        frames.pop()
        const parent = frames.at(-1)
        if (parent !== undefined) this.#putBack(parent.operation)
      }
    }
  }

  /** Takes the next branch that leads somewhere new, or looks at the next candidate. */
  #advance(frame: Frame<State>): Frame<State> | undefined {
    const state = frame.branches[frame.nextBranch]
    if (state === undefined) {
      const operation = frame.candidates[frame.nextCandidate++]
      if (operation === undefined) return undefined
      frame.operation = operation
      frame.branches = this.#branches(frame.state, operation)
      frame.nextBranch = 0
      return undefined
    }
    frame.nextBranch += 1
    this.#take(frame.operation)
    const place = `${String.fromCharCode(...this.#taken)} ${this.#model.key(state)}`
    const { operation } = frame
    const row = this.#isOpen(operation) ? frame.row + 1 : 0
    const { bears } = this.#hints
    const owing = row === 0 ? [] : [...frame.owing.filter((each) => !bears(each, operation)), operation]
    const way = row === 0 ? undefined : `${row} ${owing.join()}`
    if (this.#memory.knows(place, way, this.#takenOpen)) {
      this.#putBack(frame.operation)
      return undefined
    }
    return this.#frame(state, operation, row, owing)
  }

  /** An operation whose outcome is not known and that changes nothing need not have happened. */
  #branches(state: State, operation: number): readonly State[] {
    const branches = this.#model.step(state, this.#at(operation))
    if (!this.#isOpen(operation)) return branches
    const key = this.#model.key(state)
    return branches.filter((branch) => this.#model.key(branch) !== key)
  }

  /** `last`: the operation that has led here. */
  #frame(state: State, last: number, row: number, owing: readonly number[]): Frame<State> {
    const candidates = this.#candidates(last, row, owing)
    return { state, candidates, nextCandidate: 0, operation: -1, branches: [], nextBranch: 0, row, owing }
  }

  #candidates(last: number, row: number, owing: readonly number[]): readonly number[] {
    const { candidates, firstReturn } = this.#list.front()
    if (firstReturn === undefined) return candidates
    const { rank, bears } = this.#hints
    const first = this.#ranked.find((operation) => !this.#isTaken(operation))
    const bound = first === undefined ? Number.POSITIVE_INFINITY : rank(first).high
    const ended = candidates.filter((operation) => rank(operation).low <= bound)
    // What did not end cannot change the ranks of what did.
    if (ended.length === 0) return []
    const { end } = this.#at(firstReturn)
    const open = row < this.#rowMax ? this.#open.filter((operation) => this.#canHappen(operation, end)) : []
    if (row === 0) return [...ended, ...open]
    return [
      ...ended.filter((each) => owing.every((other) => bears(other, each))),
      ...open.filter((each) => bears(last, each) || this.#placeOf(last) < this.#placeOf(each)),
    ]
  }

  #placeOf(open: number): number {
    return this.#places.get(open) as number
  }

  #canHappen(open: number, until: number): boolean {
    const twin = this.#twins.get(open)
    return this.#at(open).call <= until && !this.#isTaken(open) && (twin === undefined || this.#isTaken(twin))
  }

  #isTaken(operation: number): boolean {
    const bit = this.#openBits.get(operation)
    if (bit !== undefined) return (this.#takenOpen & bit) !== 0n
    return (((this.#taken[operation >> 4] as number) >> (operation & 15)) & 1) === 1
  }

  #take(operation: number): void {
    const bit = this.#openBits.get(operation)
    if (bit !== undefined) {
      this.#takenOpen |= bit
      return
    }
    const word = operation >> 4
    this.#taken[word] = (this.#taken[word] as number) | (1 << (operation & 15))
    this.#list.take(operation)
    this.#remaining -= 1
  }

  #putBack(operation: number): void {
    const bit = this.#openBits.get(operation)
    if (bit !== undefined) {
      this.#takenOpen &= ~bit
      return
    }
    const word = operation >> 4
    this.#taken[word] = (this.#taken[word] as number) & ~(1 << (operation & 15))
    this.#list.putBack(operation)
    this.#remaining += 1
  }

  #isOpen(operation: number): boolean {
    return this.#at(operation).end === Number.POSITIVE_INFINITY
  }

  #at(operation: number): Operation<Input, Output> {
    return this.#operations[operation] as Operation<Input, Output>
  }

  #remember(frames: readonly Frame<State>[]): void {
    if (this.#remaining >= this.#fewest) return
    this.#fewest = this.#remaining
    this.#longest = this.#order(frames)
  }

  /** Of the frames but the last, what each has taken. */
  #order(frames: readonly Frame<State>[]): readonly number[] {
    return frames.slice(0, -1).map(({ operation }) => this.#at(operation).id)
  }
}
