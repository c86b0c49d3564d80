import type { Standing } from '../../../log/raft/types.ts'
import { type Group, linked } from './group.ts'

/** `torn`: some of its sectors were never written. `damaged`: its bytes are others, and its checksum tells. */
export type GroupState = 'whole' | 'torn' | 'damaged'

export interface Placed {
  readonly group: Group
  readonly state: GroupState
}

/** A group that is durable, named apart from the write-ahead files (log/storage/mark.ts). */
export interface Mark {
  readonly sequence: number
  readonly link: number
}

interface Slot {
  readonly mark: Mark
  readonly number: number
}

export function markOf({ sequence, link }: Group): Mark {
  return { sequence, link }
}

/**
 * What is physically there: it changes by writes and by damage, and says nothing of itself. The write-ahead files are a row of places, one
 * a group: a group's place follows from its sequence, and a place that was never written is zeros.
 */
export class Medium {
  /** Null is zeros, and so is what is behind the last. */
  readonly places: (Placed | null)[] = []
  /** That of the group that belongs in the first place. */
  firstSequence = 1
  /** Groups that a crash left unfinished, by sequence: a disk may still have them somewhere. */
  readonly #unfinished = new Map<number, Group>()
  readonly #slots: (Slot | null)[]
  /** That of the newest slot, as the running process knows it. */
  #markNumber = 1
  /** As it was formatted. */
  readonly standing: Standing

  constructor(standing: Standing) {
    // A voter was a founder once, and became one by a write.
    this.standing = standing === 'voter' ? 'founding' : standing
    const isVoter = standing === 'voter'
    const state = { hardState: { term: 0, vote: 0 }, isVoter, baseIndex: 0, entries: [] }
    const first = linked({ sequence: 1, previousLink: 0, ...state })
    this.write(first)
    this.#slots = [0, 1].map((number) => ({ mark: markOf(first), number }))
  }

  /** As a process reads it when it starts. Null when no slot can be read. */
  openMark(): Mark | null {
    const newest = this.#newestSlot()
    if (newest === null) return null
    this.#markNumber = newest.number
    return newest.mark
  }

  /** The two slots are written in turn: a torn write leaves one that cannot be read, and the other as it was. */
  writeMark(mark: Mark, isTorn: boolean): void {
    this.#markNumber += 1
    this.#slots[this.#markNumber % 2] = isTorn ? null : { mark, number: this.#markNumber }
  }

  spoilMarks(isBoth: boolean): void {
    this.#slots[this.#markNumber % 2] = null
    if (isBoth) this.#slots[(this.#markNumber + 1) % 2] = null
  }

  write(group: Group): void {
    this.#put(group.sequence, { group, state: 'whole' })
  }

  /** A crash left a group unfinished, or nothing of it. Over what should be zeros and is not, it is a mixture. */
  interrupt(group: Group, isTorn: boolean): void {
    this.#unfinished.set(group.sequence, group)
    if (!isTorn) return
    const there = this.at(group.sequence)
    this.#put(group.sequence, there === null ? { group, state: 'torn' } : { ...there, state: 'damaged' })
  }

  at(sequence: number): Placed | null {
    return this.places[sequence - this.firstSequence] ?? null
  }

  /** A bit of it flips. */
  spoil(sequence: number): void {
    const placed = this.at(sequence)
    if (placed !== null) this.#put(sequence, { group: spoiled(placed.group), state: 'damaged' })
  }

  /** A sector of it is zeros again. */
  tear(sequence: number): void {
    const placed = this.at(sequence)
    if (placed !== null) this.#put(sequence, { ...placed, state: 'torn' })
  }

  /** Zeros take the place of the groups from `first` to `last`, as if they had never been written. */
  lose(first: number, last = first): void {
    for (let sequence = first; sequence <= last; sequence += 1) this.#put(sequence, null)
  }

  /** A group went to another place: it is missing at its own, and in the way at the other. */
  misdirect(sequence: number, to: number): void {
    const placed = this.at(sequence)
    this.#put(sequence, null)
    this.#put(to, placed)
  }

  /** A group that a crash left unfinished comes back in the place of the one that was written afterwards. */
  bringBack(sequence: number): void {
    const group = this.#unfinished.get(sequence)
    if (group !== undefined) this.#put(sequence, { group, state: 'whole' })
  }

  /**
   * Sequences at which an older group could come back, and be noticed. Where it would fit its place but for the chain, only those.
   */
  get replaced(): readonly number[] {
    const others = [...this.#unfinished].filter(([sequence, older]) => this.#isOther(sequence, older))
    const fitting = others.filter(([sequence, older]) => fits(older, this.at(sequence)?.group))
    return (fitting.length > 0 ? fitting : others).map(([sequence]) => sequence)
  }

  /**
   * Would a loss of this group be noticed: does the mark name it or a later one, or is a later one there? Losing the end that no mark
   * names yet is the one thing that storage does not notice (docs/decisions/0010).
   */
  isWitnessed(sequence: number): boolean {
    return sequence <= this.markedSequence || this.#hasWholeBehind(sequence)
  }

  get markedSequence(): number {
    return this.#newestSlot()?.mark.sequence ?? 0
  }

  /**
   * An opening makes zeros of what a crash left behind the end, and goes on behind it. The first group need not be the first that was
   * written: one without entries before it that went to its place holds all there is to know.
   */
  settle(count: number, lastSequence: number): void {
    this.places.length = count
    this.firstSequence = lastSequence - count + 1
  }

  #newestSlot(): Slot | null {
    const [left = null, right = null] = this.#slots
    if (left === null || right === null) return left ?? right
    return left.number > right.number ? left : right
  }

  #isOther(sequence: number, older: Group): boolean {
    const placed = this.at(sequence)
    return placed !== null && placed.group.link !== older.link && this.isWitnessed(sequence)
  }

  #hasWholeBehind(sequence: number): boolean {
    const behind = Math.max(0, sequence - this.firstSequence + 1)
    return this.places.slice(behind).some((placed) => placed?.state === 'whole')
  }

  #put(sequence: number, placed: Placed | null): void {
    const position = sequence - this.firstSequence
    if (position < 0) return
    while (this.places.length <= position) this.places.push(null)
    this.places[position] = placed
    while (this.places.length > 0 && this.places.at(-1) === null) this.places.pop()
  }
}

/** Would what follows the newer group follow the older one, too? */
function fits(older: Group, newer: Group | undefined): boolean {
  const count = newer?.entries.length ?? 0
  return count > 0 && older.baseIndex === newer?.baseIndex && older.entries.length >= count
}

/** Its bytes are others. */
function spoiled(group: Group): Group {
  const [first, ...others] = group.entries
  if (first === undefined) return { ...group, hardState: { ...group.hardState, vote: 0 } }
  const payload = new Uint8Array([0xff, ...first.payload.subarray(1), 0, 0, 0])
  return { ...group, entries: [{ ...first, payload }, ...others] }
}
