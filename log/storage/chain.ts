import { createHash, type Hash } from 'node:crypto'

/**
 * The hash chain of the log: hash(block) = SHA-256(hash(previous block) ‖ the records of the block's entries).
 * Blocks have a fixed number of entries and records are the same on every member, hence so is the chain.
 */
export const chainStart: Buffer = Buffer.alloc(32)

/** Entries in a block of the chain, which is also a sealed segment. */
export const blockEntriesDefault = 4096

/** Hashes one block, fed with the bytes of its records in order. */
export class BlockHash {
  readonly #hash: Hash
  constructor(previous: Buffer) {
    this.#hash = createHash('sha256').update(previous)
  }

  update(records: Buffer): void {
    this.#hash.update(records)
  }

  finish(): Buffer {
    return this.#hash.digest()
  }
}
