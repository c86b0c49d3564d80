import { createHash } from 'node:crypto'

/** What etcdctl takes for the end of a snapshot: the length without the checksum is a multiple of this. */
const PAGE_BYTES = 512
const CHECKSUM_BYTES = 32

/**
 * A backup as a snapshot is shaped: zero bytes up to a whole page, then the SHA-256 of all before. Gives each chunk with the bytes
 * that are known to remain.
 */
export async function* snapshot(
  backup: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ readonly blob: Uint8Array; readonly remaining: number }> {
  const hash = createHash('sha256')
  let length = 0
  for await (const blob of backup) {
    hash.update(blob)
    length += blob.length
    yield { blob, remaining: CHECKSUM_BYTES }
  }
  const padding = Buffer.alloc((PAGE_BYTES - (length % PAGE_BYTES)) % PAGE_BYTES)
  hash.update(padding)
  yield { blob: Buffer.concat([padding, hash.digest()]), remaining: 0 }
}
