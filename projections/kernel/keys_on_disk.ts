import type { DatabaseSync } from 'node:sqlite'

/** Prefixes that are told apart, at most. */
const PREFIXES_MAX = 16

/**
 * An upper bound of the keys in a table, for each prefix of them (`zone/`, or none). Uids grow with time (RFC 9562 UUIDv7): what is made
 * new is above the bound, and need not be looked up to know that it is not there. Keys are ASCII.
 */
export class KeysOnDisk {
  readonly #highest = new Map<string, string>()
  /** An upper bound of the keys of all other prefixes. */
  #rest = ''

  /** Of all keys of a table, which must be an identifier of this program. */
  static of(database: DatabaseSync, table: string): KeysOnDisk {
    const keys = new KeysOnDisk()
    const below = database.prepare(`SELECT max(key) AS key FROM "${table}" WHERE key < ?`)
    let found = database.prepare(`SELECT max(key) AS key FROM "${table}"`).get()
    for (;;) {
      const key = found?.['key']
      if (typeof key !== 'string') return keys
      const prefix = prefixOf(key)
      keys.add(key)
      if (prefix === '' || key <= keys.#rest) return keys
      found = below.get(prefix)
    }
  }

  add(key: string): void {
    const prefix = prefixOf(key)
    if (prefix !== '') {
      const highest = this.#highest.get(prefix)
      if (highest !== undefined || this.#highest.size < PREFIXES_MAX) {
        if (highest === undefined || key > highest) this.#highest.set(prefix, key)
        return
      }
    }
    if (key > this.#rest) this.#rest = key
  }

  /** False for a key that is not there. */
  mayHold(key: string): boolean {
    return key <= this.#rest || key <= (this.#highest.get(prefixOf(key)) ?? '')
  }
}

function prefixOf(key: string): string {
  return key.slice(0, key.lastIndexOf('/') + 1)
}
