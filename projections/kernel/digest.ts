import { RowHash } from './row_hash.ts'

const hash = new RowHash()

/**
 * An incremental digest of a set of rows: the sum of their hashes, the same whatever the order they came in. It is kept in four lanes
 * modulo 2^32, one for each quarter of a hash.
 */
export class SetDigest {
  readonly #lanes: Uint32Array

  /** `hex` is what `toString` gave; without it the set is empty. */
  constructor(hex = '') {
    this.#lanes = Uint32Array.from({ length: 4 }, (_, lane) =>
      Number(`0x0${hex.slice(8 * lane, 8 * lane + 8)}`),
    )
  }

  add(row: Uint32Array): void {
    const lanes = this.#lanes
    for (let lane = 0; lane < 4; lane++) lanes[lane] = (lanes[lane] as number) + (row[lane] as number)
  }

  remove(row: Uint32Array): void {
    const lanes = this.#lanes
    for (let lane = 0; lane < 4; lane++) lanes[lane] = (lanes[lane] as number) - (row[lane] as number)
  }

  /** 32 hexadecimal digits. */
  toString(): string {
    return Array.from(this.#lanes, (lane) => lane.toString(16).padStart(8, '0')).join('')
  }
}

/** The hash of a row of a table, of its name and all columns as they are stored. It is good until the next one is made. */
export function hashOf(table: string, ...columns: readonly (string | number)[]): Uint32Array {
  return hash.of(`${table}\0${columns.join('\0')}`)
}

/** That of a version of a row in a set; null data: the row was deleted. */
export function versionHash(
  set: string,
  key: string,
  revision: number,
  slice: string,
  project: string,
  name: string,
  data: string | null,
): Uint32Array {
  return hash.of(`${set}\0${key}\0${revision}\0${slice}\0${project}\0${name}\0`, data ?? '')
}
