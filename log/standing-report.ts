import type { RaftStatus } from './raft/effects.ts'

/** Says why a member has no vote, when that lasts, and when it has got one. */
export class StandingReport {
  readonly #patienceMilliseconds: number
  readonly #say: (text: string) => void
  #said = ''
  #since: number | undefined
  #isDone = false

  constructor(patienceMilliseconds: number, say: (text: string) => void) {
    this.#patienceMilliseconds = patienceMilliseconds
    this.#say = say
  }

  /** A voter stays one. */
  get isDone(): boolean {
    return this.#isDone
  }

  tick({ standing, waitsFor }: Pick<RaftStatus, 'standing' | 'waitsFor'>, now: number): void {
    this.#isDone = standing === 'voter'
    if (this.#isDone) {
      if (this.#said !== '') this.#say('this member has its vote')
      return
    }
    this.#since ??= now
    if (now - this.#since < this.#patienceMilliseconds || waitsFor === this.#said) return
    this.#since = now
    this.#said = waitsFor
    this.#say(`this member has no vote yet: it ${waitsFor}`)
  }
}
