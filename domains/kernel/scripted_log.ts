import { BehaviorSubject } from 'rxjs'
import {
  type Entry,
  type Follower,
  type Leadership,
  type Log,
  LogError,
  type LogErrorCode,
  type LogStatus,
  type Proposal,
} from '../../log/log.ts'

const ME = 1
const OTHER = 2
const PROPOSAL_BYTES_MAX = 16 << 20

interface Following {
  readonly follower: Follower
  next: number
}

/**
 * A log whose every step a test decides: what is committed and when, who leads, what is refused. It keeps the promises of the port,
 * as one member (id 1) of a cluster in which member 2 leads whenever this one does not.
 */
export class ScriptedLog implements Log {
  readonly leadership = new BehaviorSubject<Leadership>({ term: 0, leader: 0, ready: false })
  /** Committed entries: index i is at position i - 1. */
  readonly committed: Entry[] = []
  /** This member's entries that are not committed. */
  tail: Entry[] = []
  /** What the next proposal is refused with. */
  refusal: LogErrorCode | undefined
  readonly clusterId: string
  #term = 0
  #leads = false
  readonly #following = new Set<Following>()
  #proposals: { lastIndex: number; resolve: () => void; reject: (error: LogError) => void }[] = []
  #reads: { index: number; resolve: (index: number) => void; reject: (error: LogError) => void }[] = []

  constructor(clusterId = 'scripted', committed: readonly Entry[] = []) {
    this.clusterId = clusterId
    this.committed.push(...committed)
    this.#term = committed.at(-1)?.term ?? 0
  }

  get leads(): boolean {
    return this.#leads
  }

  propose({ term, firstIndex, payloads }: Proposal): Promise<void> {
    if (!this.#leads) throw new LogError('NOT_LEADER', 'member 2 leads')
    if (this.refusal !== undefined) {
      const code = this.refusal
      this.refusal = undefined
      throw new LogError(code, 'as the script says')
    }
    if (term !== this.#term || firstIndex !== this.#lastIndex + 1) {
      const actual = `the term is ${this.#term} and the next index ${this.#lastIndex + 1}`
      throw new LogError('FENCED', `${actual}, not ${term} and ${firstIndex}`)
    }
    if (payloads.reduce((total, { length }) => total + length, 0) > PROPOSAL_BYTES_MAX)
      throw new LogError('TOO_LARGE', 'too many bytes in one proposal')
    for (const payload of payloads) this.tail.push(this.#entry(payload))
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#proposals.push({ lastIndex: this.#lastIndex, resolve, reject })
    return promise
  }

  async read(from: number, to: number): Promise<readonly Entry[]> {
    return this.committed.slice(from - 1, to)
  }

  follow(from: number, follower: Follower): () => void {
    const following = { follower, next: from }
    this.#following.add(following)
    setImmediate(() => this.#pump(following))
    return () => this.#following.delete(following)
  }

  readIndex(): Promise<number> {
    if (!this.#leads) return Promise.reject(new LogError('NOT_LEADER', 'member 2 leads'))
    const { promise, resolve, reject } = Promise.withResolvers<number>()
    this.#reads.push({ index: this.committed.length, resolve, reject })
    return promise
  }

  status(): LogStatus {
    return {
      clusterId: this.clusterId,
      memberId: ME,
      term: this.#term,
      leader: this.#leads ? ME : OTHER,
      role: this.#leads ? 'leader' : 'follower',
      lastIndex: this.#lastIndex,
      commitIndex: this.committed.length,
      standing: 'voter',
      transferee: 0,
      waitsFor: '',
      members: [],
      sizeBytes: 0,
    }
  }

  async resign(): Promise<void> {
    this.lose(this.tail.length)
  }

  async close(): Promise<void> {
    this.#following.clear()
    this.leadership.complete()
  }

  /** A quorum confirms that this member leads: the reads under way may be answered. */
  confirm(): void {
    for (const { index, resolve } of this.#reads.splice(0)) resolve(index)
  }

  /** Commits so many entries of the tail and delivers them. */
  commit(count: number): void {
    if (!this.#leads) return
    this.committed.push(...this.tail.splice(0, count))
    this.#deliver()
    const done = this.#proposals.filter(({ lastIndex }) => lastIndex <= this.committed.length)
    this.#proposals = this.#proposals.filter(({ lastIndex }) => lastIndex > this.committed.length)
    for (const { resolve } of done) resolve()
  }

  /** Member 2 leads from now on; so many of this member's uncommitted entries reached it. */
  lose(kept: number): void {
    if (!this.#leads) return
    this.#leads = false
    this.#term++
    this.tail = this.tail.slice(0, kept)
    const lost = new LogError('OUTCOME_UNKNOWN', 'leadership was lost')
    for (const { reject } of this.#proposals.splice(0)) reject(lost)
    for (const { reject } of this.#reads.splice(0)) reject(new LogError('NOT_LEADER', 'leadership was lost'))
    this.leadership.next({ term: this.#term, leader: OTHER, ready: false })
  }

  /** Member 2 commits entries: first what it has of this member's, then its own. Null is a no-op. */
  foreign(payloads: readonly (Uint8Array | null)[]): void {
    if (this.#leads) throw new Error('member 2 does not lead')
    this.committed.push(...this.tail)
    this.tail = []
    for (const payload of payloads) this.committed.push(this.#entry(payload))
    this.#deliver()
  }

  /** This member is elected; its no-op, and with it what is left in its log, is not committed yet. */
  elect(): void {
    if (this.#leads) return
    this.#term++
    this.#leads = true
    this.tail.push(this.#entry(null))
    this.leadership.next({ term: this.#term, leader: ME, ready: false })
  }

  /** Commits everything, and says that this member is ready to lead. */
  settle(): void {
    if (!this.#leads) return
    this.commit(this.tail.length)
    if (!this.leadership.value.ready) this.leadership.next({ term: this.#term, leader: ME, ready: true })
  }

  get #lastIndex(): number {
    return this.committed.length + this.tail.length
  }

  #entry(payload: Uint8Array | null): Entry {
    const kind = payload === null ? 'noop' : 'data'
    return { index: this.#lastIndex + 1, term: this.#term, kind, payload: payload ?? new Uint8Array() }
  }

  #deliver(): void {
    for (const following of this.#following) this.#pump(following)
  }

  #pump(following: Following): void {
    while (this.#following.has(following) && following.next <= this.committed.length) {
      const entries = this.committed.slice(following.next - 1)
      following.next += entries.length
      const taken = following.follower(entries)
      if (typeof taken === 'number') following.next -= entries.length - taken
    }
  }
}
