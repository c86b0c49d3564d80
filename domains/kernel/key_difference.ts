import { SortedKeys } from './sorted_keys.ts'

/** What has come to a sorted set of keys and what has gone from it: exactly, so that it can be counted. */
export class KeyDifference {
  readonly added = new SortedKeys()
  readonly removed = new SortedKeys()

  get size(): number {
    return this.added.size + this.removed.size
  }

  /** A key comes or goes, or that is undone. Returns false when it had come or gone already. */
  change(key: string, comes: boolean): boolean {
    const [same, opposite] = comes ? [this.added, this.removed] : [this.removed, this.added]
    return opposite.remove(key) || same.add(key)
  }

  /** Whether a key is there after the difference: undefined where that is as it was before. */
  has(key: string): boolean | undefined {
    if (this.added.has(key)) return true
    return this.removed.has(key) ? false : undefined
  }

  /** How many keys more there are not less than `from`, and less than `to` where that is given. */
  count(from: string, to: string | undefined): number {
    return this.added.count(from, to) - this.removed.count(from, to)
  }

  /** The first key not less than `from` that has come or gone. */
  next(from: string): string | undefined {
    const [added, removed] = [first(this.added, from), first(this.removed, from)]
    return added === undefined || (removed !== undefined && removed < added) ? removed : added
  }

  /** The keys of an interval, in order, when those of the set before are given. */
  over(before: IterableIterator<string>, from: string, to: string | undefined): IterableIterator<string> {
    return this.size === 0 ? before : this.#over(before, from, to)
  }

  *#over(before: IterableIterator<string>, from: string, to: string | undefined): IterableIterator<string> {
    const added = this.added.range(from, to)
    let next = added.next()
    for (const key of before) {
      for (; next.done !== true && next.value < key; next = added.next()) yield next.value
      if (!this.removed.has(key)) yield key
    }
    for (; next.done !== true; next = added.next()) yield next.value
  }

  /** Takes out what has come and gone from a key on, and below another where that is given. */
  drop(from: string, to: string | undefined): void {
    for (const keys of [this.added, this.removed])
      for (const key of [...keys.range(from, to)]) keys.remove(key)
  }

  clear(): void {
    this.added.clear()
    this.removed.clear()
  }
}

function first(keys: SortedKeys, from: string): string | undefined {
  if (keys.size === 0) return undefined
  return keys.range(from).next().value as string | undefined
}
