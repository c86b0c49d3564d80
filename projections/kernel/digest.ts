import { hash } from 'node:crypto'

/** Of a set's tables. */
export const columns = ['key', 'slice', 'project', 'name', 'revision', 'data'] as const

const MODULUS = 1n << 128n

/** An incremental digest of a set of rows: the sum of their hashes modulo 2^128, the same whatever the order they came in. */
export class SetDigest {
  #sum: bigint

  constructor(hex = '0') {
    this.#sum = BigInt(`0x${hex}`)
  }

  add(row: bigint): void {
    this.#sum = (this.#sum + row) % MODULUS
  }

  remove(row: bigint): void {
    this.#sum = (this.#sum - row + MODULUS) % MODULUS
  }

  /** 32 hexadecimal digits. */
  toString(): string {
    return this.#sum.toString(16).padStart(32, '0')
  }
}

/** The first 128 bits of SHA-256 over the table's name and all columns as they are stored. */
export function hashOf(table: string, ...columns: readonly (string | number)[]): bigint {
  return BigInt(`0x${hash('sha256', `${table}\0${columns.join('\0')}`, 'hex').slice(0, 32)}`)
}

/** That of a row of a set. */
export function rowHash(
  table: string,
  row: Readonly<Record<(typeof columns)[number], string | number>>,
): bigint {
  return hashOf(table, row.key, row.revision, row.slice, row.project, row.name, row.data)
}
