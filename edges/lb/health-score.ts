/**
 * Rise and fall as HAProxy counts them (`check.health` in its source): one number from 0 to rise + fall - 1; the
 * member is up at `rise` and above. A member begins up, at exactly `rise`: it gets traffic before its first check,
 * and the first failed check takes it down.
 */
export class HealthScore {
  readonly #rise: number
  readonly #fall: number
  #score: number

  constructor(rise: number, fall: number) {
    this.#rise = rise
    this.#fall = fall
    this.#score = rise
  }

  get up(): boolean {
    return this.#score >= this.#rise
  }

  /** Counts one check; true when the member went up or down by it. */
  record(passed: boolean): boolean {
    const before = this.up
    if (passed) {
      this.#score += 1
      if (this.up) this.#score = this.#rise + this.#fall - 1
    } else {
      this.#score -= 1
      if (!this.up) this.#score = 0
    }
    return this.up !== before
  }

  /** The same verdict under other thresholds. */
  withThresholds(rise: number, fall: number): HealthScore {
    const score = new HealthScore(rise, fall)
    score.#score = this.up ? rise + fall - 1 : 0
    return score
  }
}
