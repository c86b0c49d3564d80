import { hash } from 'node:crypto'

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

/** The first 128 bits of SHA-256 over the row's place and its bytes as they are stored. */
export function rowHash(table: string, key: string, revision: number, data: string): bigint {
  return BigInt(`0x${hash('sha256', `${table}\0${key}\0${revision}\0${data}`, 'hex').slice(0, 32)}`)
}
