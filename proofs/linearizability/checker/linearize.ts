import { EventList } from './event_list.ts'
import type { Model, Operation } from './history.ts'

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
}

const STEPS_BETWEEN_LOOKS = 1024

/**
 * Whether a history is linearizable: whether each operation can be given an instant between its call and its return such that the model,
 * taking them in that order, answers as was answered. The algorithm is Wing and Gong's with Lowe's memory of states seen, as in porcupine.
 * Operations whose outcome is not known are tried last, as most of them are not needed to explain the others.
 */
export function linearize<State, Input, Output>(
  model: Model<State, Input, Output>,
  operations: readonly Operation<Input, Output>[],
  limits: Limits,
): Verdict {
  return new Search(model, operations).run(limits)
}

class Search<State, Input, Output> {
  readonly #model: Model<State, Input, Output>
  readonly #operations: readonly Operation<Input, Output>[]
  readonly #list: EventList
  /** Those whose outcome is not known, by the time of their call. */
  readonly #open: readonly number[]
  /** Which operations are taken, 16 a word. */
  readonly #taken: Uint16Array
  readonly #seen = new Set<string>()
  #remaining: number
  #fewest = Number.POSITIVE_INFINITY
  #longest: readonly number[] = []

  constructor(model: Model<State, Input, Output>, operations: readonly Operation<Input, Output>[]) {
    this.#model = model
    this.#operations = operations
    this.#list = new EventList(operations)
    this.#taken = new Uint16Array(Math.ceil(operations.length / 16))
    this.#open = operations
      .map((_, index) => index)
      .filter((index) => this.#isOpen(index))
      .sort((a, b) => this.#at(a).call - this.#at(b).call)
    this.#remaining = operations.length - this.#open.length
  }

  run({ milliseconds, states }: Limits): Verdict {
    const deadline = performance.now() + milliseconds
    const frames: Frame<State>[] = [this.#frame(this.#model.initial)]
    for (let steps = 1; ; steps++) {
      if (this.#remaining === 0) return { outcome: 'linearizable', order: this.#order(frames) }
      if (steps % STEPS_BETWEEN_LOOKS === 0 && performance.now() > deadline)
        return { outcome: 'unknown', why: `it was not decided in ${milliseconds} ms` }
      if (this.#seen.size > states)
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
    const key = `${String.fromCharCode(...this.#taken)} ${this.#model.key(state)}`
    if (this.#seen.has(key)) {
      this.#putBack(frame.operation)
      return undefined
    }
    this.#seen.add(key)
    return this.#frame(state)
  }

  /** An operation whose outcome is not known and that changes nothing need not have happened. */
  #branches(state: State, operation: number): readonly State[] {
    const branches = this.#model.step(state, this.#at(operation))
    if (!this.#isOpen(operation)) return branches
    const key = this.#model.key(state)
    return branches.filter((branch) => this.#model.key(branch) !== key)
  }

  #frame(state: State): Frame<State> {
    const { candidates, firstReturn } = this.#list.front()
    if (firstReturn !== undefined) {
      const { end } = this.#at(firstReturn)
      for (const operation of this.#open) {
        if (this.#at(operation).call > end) break
        if (!this.#isTaken(operation)) candidates.push(operation)
      }
    }
    return { state, candidates, nextCandidate: 0, operation: -1, branches: [], nextBranch: 0 }
  }

  #take(operation: number): void {
    const word = operation >> 4
    this.#taken[word] = (this.#taken[word] as number) | (1 << (operation & 15))
    if (this.#isOpen(operation)) return
    this.#list.take(operation)
    this.#remaining -= 1
  }

  #putBack(operation: number): void {
    const word = operation >> 4
    this.#taken[word] = (this.#taken[word] as number) & ~(1 << (operation & 15))
    if (this.#isOpen(operation)) return
    this.#list.putBack(operation)
    this.#remaining += 1
  }

  #isTaken(operation: number): boolean {
    return (((this.#taken[operation >> 4] as number) >> (operation & 15)) & 1) === 1
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
