/** A small seeded generator (sfc32, Chris Doty-Humphrey's PractRand): the only source of chance in a simulation. */
export class Random {
  #a: number
  #b: number
  #c: number
  #counter: number

  /** Streams of one seed are independent of each other: what is drawn from one changes nothing in another. */
  constructor(seed: number, stream = 0) {
    this.#a = seed | 0
    this.#b = (seed / 0x1_0000_0000) | 0
    this.#c = (0x9e3779b9 ^ Math.imul(stream, 0x85ebca6b)) | 0
    this.#counter = 1
    for (let round = 0; round < 15; round += 1) this.#next()
  }

  /** In [0, 1). */
  float(): number {
    return this.#next() / 0x1_0000_0000
  }

  /** A whole number from `low` to `high`, both inclusive. */
  between(low: number, high: number): number {
    return low + Math.floor(this.float() * (high - low + 1))
  }

  chance(probability: number): boolean {
    return this.float() < probability
  }

  pick<T>(choices: readonly T[]): T {
    const choice = choices[this.between(0, choices.length - 1)]
    if (choice === undefined) throw new RangeError('nothing to pick from')
    return choice
  }

  #next(): number {
    const sum = (this.#a + this.#b + this.#counter) | 0
    this.#counter = (this.#counter + 1) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (this.#c << 21) | (this.#c >>> 11)
    this.#c = (this.#c + sum) | 0
    return sum >>> 0
  }
}
