import type { Random } from './random.ts'

const ACTIVE = 4
/** Operations on a group, about: a history that is checked as a whole does not get long. */
const OPERATIONS_MAX = 160
const KEYS = ['a', 'b', 'c'] as const

/** A few keys that operations may tie together, under one prefix. */
export interface Group {
  readonly prefix: string
  /** The end of the interval of its keys. */
  readonly end: string
  readonly keys: readonly string[]
  /** Leases that were asked for. */
  readonly leases: string[]
  /** Whether leases are much of what happens: such a group lives longer. */
  readonly isLeased: boolean
  operations: number
}

/** The groups that clients work on: after so many operations a group gives way to a new one. */
export class Groups {
  readonly #phase: string
  readonly #active: Group[] = []
  readonly all: Group[] = []

  /** `phase` is the prefix of all keys. */
  constructor(phase: string) {
    this.#phase = phase
    for (let place = 0; place < ACTIVE; place++) this.#renew(place)
  }

  pick(random: Random): Group {
    // The first one, whose leases need time to expire, is picked less.
    const place = random.chance(0.08) ? 0 : 1 + random.below(ACTIVE - 1)
    const group = this.#active[place]
    if (group === undefined || group.operations >= OPERATIONS_MAX) return this.#renew(place)
    group.operations += 1
    return group
  }

  #renew(place: number): Group {
    const name = `${this.#phase}${(this.all.length % 16).toString(16)}${this.all.length}`
    const prefix = `${name}/`
    const group: Group = {
      prefix,
      end: `${name}0`,
      keys: KEYS.map((key) => `${prefix}${key}`),
      leases: [],
      isLeased: place === 0,
      operations: 0,
    }
    this.#active[place] = group
    this.all.push(group)
    return group
  }
}
