import { promisify } from 'node:util'
import { constants, zstdCompress } from 'node:zlib'
import type { Entry } from '../../log/log.ts'
import {
  type BackupEnd,
  type BackupHead,
  BLOCK_BYTES,
  CHAIN_BYTES,
  encodeEntry,
  HEAD_BYTES,
  link,
  MAGIC,
} from './format.ts'

const LEVEL = 3
/** On a thread of its own: the one that sends heartbeats does not wait for it. */
const compress = promisify(zstdCompress)

/** Writes a backup, frame by frame: what is in memory is a batch of entries and a block. */
export async function* writeBackup(
  head: BackupHead,
  batches: AsyncIterable<readonly Entry[]>,
  end: BackupEnd,
): AsyncGenerator<Buffer> {
  const frames = new Frames()
  yield MAGIC
  yield frames.next('H', Buffer.from(JSON.stringify(head)))
  const block = new Block()
  for await (const batch of batches) {
    for (const entry of batch) {
      block.add(entry)
      if (block.bytes >= BLOCK_BYTES) yield frames.next('B', await block.take())
    }
  }
  if (block.bytes > 0) yield frames.next('B', await block.take())
  yield frames.next('E', Buffer.from(JSON.stringify(end)))
}

/** Makes frames, each with the chain over all of them until there. */
class Frames {
  #chain: Buffer = Buffer.alloc(CHAIN_BYTES)

  next(type: 'H' | 'B' | 'E', body: Buffer): Buffer {
    const head = Buffer.alloc(HEAD_BYTES)
    head.write(type, 0, 'latin1')
    head.writeUInt32BE(body.length, 1)
    this.#chain = link(this.#chain, head, body)
    return Buffer.concat([head, body, this.#chain])
  }
}

/** Collects entries until they are worth compressing. */
class Block {
  #parts: Buffer[] = []
  bytes = 0

  add(entry: Entry): void {
    for (const part of encodeEntry(entry)) {
      this.#parts.push(part)
      this.bytes += part.length
    }
  }

  take(): Promise<Buffer> {
    const block = Buffer.concat(this.#parts)
    this.#parts = []
    this.bytes = 0
    return compress(block, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } })
  }
}
