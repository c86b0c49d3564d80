import { crc32c } from './crc32c.ts'

const MASK_DELTA = 0xa282ead8
const TRAILER_BYTES = 5
const FOOTER_BYTES = 48
const MAGIC = Buffer.from('57fb808b247547db', 'hex')
const STEP_BYTES = 256 << 10

/** Where a block is in its file; `bytes` without the trailer. */
export interface BlockHandle {
  readonly offset: number
  readonly bytes: number
}

/**
 * Verifies the checksum of every block of one of LevelDB's tables (its doc/table_format.md), in steps of about 256 KiB. Throws Error where
 * a block is not what was written. A file without the magic number at its end is one that LevelDB has not finished, or refuses itself.
 */
export function* verifyTable(table: Buffer): Generator<void> {
  if (!isTable(table)) return
  let read = 0
  for (const index of Object.values(footer(table))) {
    for (const handle of blocks(table, index)) {
      verifyBlock(table, handle)
      read += handle.bytes
      if (read < STEP_BYTES) continue
      read = 0
      yield
    }
  }
}

/** The blocks of rows of a whole table. Throws Error where they are not to be found. */
export function blocksOf(table: Buffer): readonly BlockHandle[] {
  return isTable(table) ? [...blocks(table, footer(table).index)] : []
}

function isTable(table: Buffer): boolean {
  return table.length >= FOOTER_BYTES && table.subarray(-MAGIC.length).equals(MAGIC)
}

function footer(table: Buffer): { readonly meta: BlockHandle; readonly index: BlockHandle } {
  const reader = new Reader(table, table.length - FOOTER_BYTES, table.length)
  return { meta: reader.handle(), index: reader.handle() }
}

/** The values of an index, and of the metaindex, are handles of blocks; the keys are of no interest. */
function* blocks(table: Buffer, index: BlockHandle): Generator<BlockHandle> {
  verifyBlock(table, index)
  const end = index.offset + index.bytes
  if (table[end] !== 0) throw new Error('its index is compressed')
  const restarts = table.readUInt32LE(end - 4)
  const reader = new Reader(table, index.offset, end - 4 - 4 * restarts)
  while (!reader.done) {
    reader.varint()
    const keyBytes = reader.varint()
    reader.varint()
    reader.skip(keyBytes)
    yield reader.handle()
  }
}

function verifyBlock(table: Buffer, { offset, bytes }: BlockHandle): void {
  const end = offset + bytes + 1
  if (end - 1 + TRAILER_BYTES > table.length) throw new Error(`a block at ${offset} is not in it`)
  const crc = crc32c(table.subarray(offset, end))
  const masked = (((crc >>> 15) | (crc << 17)) + MASK_DELTA) >>> 0
  if (masked !== table.readUInt32LE(end)) throw new Error(`its block at ${offset} has another checksum`)
}

class Reader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number

  constructor(bytes: Buffer, from: number, end: number) {
    this.#bytes = bytes
    this.#at = from
    this.#end = end
  }

  get done(): boolean {
    return this.#at >= this.#end
  }

  skip(bytes: number): void {
    this.#at += bytes
  }

  handle(): BlockHandle {
    return { offset: this.varint(), bytes: this.varint() }
  }

  varint(): number {
    let value = 0
    for (let scale = 1; !this.done; scale *= 128) {
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 127) * scale
      if (byte < 128) return value
    }
    throw new Error('a number in it has no end')
  }
}
