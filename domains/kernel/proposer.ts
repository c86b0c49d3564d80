import { type Entry, type Log, LogError } from '../../log/log.ts'
import { InFlight, Pending } from './in_flight.ts'
import { asRejection } from './log_rejection.ts'
import { Rejection } from './rejection.ts'
import type { Write } from './table.ts'

/** The bytes of decisions that are proposed at once: half of what the log takes. */
const PROPOSAL_BYTES_MAX = 8 << 20

interface Leading {
  readonly term: number
  /** The index of the next decision. */
  next: number
}

/**
 * A leader's decisions until they are committed. The first is proposed at once; what is decided in one turn of the event loop while
 * others are in flight is proposed together. What the log refuses is undone, and so is everything when leadership is lost: whether the
 * log keeps it is then not this member's to say.
 */
export class Proposer {
  readonly inFlight = new InFlight()
  readonly #log: Log
  /** The log took a proposal back, or refused it for another reason than its load: this member no longer decides. */
  readonly #onLost: (error: unknown) => void
  #leading: Leading | undefined
  readonly #scheduledPropose = (): void => this.#propose()
  #unproposed: Pending[] = []

  constructor(log: Log, onLost: (error: unknown) => void) {
    this.#log = log
    this.#onLost = onLost
  }

  /** Undefined while this member does not decide. */
  get leading(): Readonly<Leading> | undefined {
    return this.#leading
  }

  /** This member decides from now on. */
  begin(term: number, next: number): void {
    this.#leading = { term, next }
  }

  /** Takes a decision, which the state has evolved by. Its `committed` says what becomes of it. */
  append(time: number, payload: Uint8Array, writes: readonly Write[]): Pending {
    if (this.#leading === undefined) throw new Error('this member does not lead')
    const { term } = this.#leading
    const pending = new Pending({ revision: this.#leading.next++, term, time }, payload, writes)
    if (this.#unproposed.length === 0) {
      if (this.inFlight.last === undefined) queueMicrotask(this.#scheduledPropose)
      else setImmediate(this.#scheduledPropose)
    }
    this.inFlight.push(pending)
    this.#unproposed.push(pending)
    return pending
  }

  /** The decision that an entry is; undefined for another leader's entry. To be called for each entry, in order. */
  take(entry: Entry): Pending | undefined {
    const { first } = this.inFlight
    if (first === undefined || first.revision !== entry.index || first.term !== entry.term) return undefined
    this.inFlight.shift()
    return first
  }

  /** Undoes every decision in flight. Returns false when this member did not decide. */
  end(why: string): boolean {
    if (this.#leading === undefined) return false
    this.#leading = undefined
    this.#unproposed = []
    this.inFlight.undoFrom(
      0,
      new Rejection(
        'OUTCOME_UNKNOWN',
        `leadership was lost before the command was committed${why}: retry with the same command id`,
      ),
    )
    return true
  }

  #propose(): void {
    while (this.#leading !== undefined && this.#unproposed.length > 0) {
      const batch = this.#takeBatch()
      const [first] = batch as [Pending]
      const payloads = batch.map(({ payload }) => payload)
      const lost = (error: unknown): void => {
        if (this.#leading?.term === first.term) this.#onLost(error)
      }
      try {
        this.#log.propose({ term: first.term, firstIndex: first.revision, payloads }).catch(lost)
      } catch (error) {
        if (error instanceof LogError && error.code === 'OVERLOADED') this.#withdraw(first.revision, error)
        else lost(error)
      }
    }
  }

  #takeBatch(): readonly Pending[] {
    let bytes = 0
    let count = 0
    for (const { payload } of this.#unproposed) {
      bytes += payload.length
      if (count > 0 && bytes > PROPOSAL_BYTES_MAX) break
      count++
    }
    return this.#unproposed.splice(0, count)
  }

  /** Takes back the decisions from a revision on, which the log has refused. */
  #withdraw(revision: number, error: LogError): void {
    if (this.#leading === undefined) return
    this.#leading.next = revision
    this.#unproposed = []
    this.inFlight.undoFrom(revision, asRejection(error))
  }
}
