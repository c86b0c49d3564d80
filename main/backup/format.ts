import { createHash } from 'node:crypto'
import { z } from 'zod'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Entry } from '../../log/log.ts'

/*
 * A backup is one file: 8 bytes of magic, then frames. A frame is its type (1 byte), the length of its body (4 bytes, big-endian), the
 * body, and the chain: SHA-256 over the chain before and all of the frame until there. H: JSON, what the backup is of. B: entries,
 * compressed with Zstandard (RFC 8878). E: JSON, what was there at its end. Nothing follows E.
 */
export const MAGIC = Buffer.from('UCBACKUP')
export const HEAD_BYTES = 5
export const CHAIN_BYTES = 32
/** A block is full once its entries have this many bytes; the last of them may go beyond it. */
export const BLOCK_BYTES = 1 << 20
/** What one entry may have: the log takes no larger payload. */
const ENTRY_BYTES_MAX = 10 << 20
/** A block when it is no more compressed. */
export const BLOCK_BYTES_MAX = BLOCK_BYTES + ENTRY_BYTES_MAX
/** A frame's body: Zstandard makes what it cannot compress a little larger. */
export const BODY_BYTES_MAX = BLOCK_BYTES_MAX + (64 << 10)

/** Term (6 bytes), kind (1), length of the payload (4), all big-endian; then the payload. Its index is its place. */
const ENTRY_HEAD_BYTES = 11
const kinds = ['noop', 'data'] as const

const Text = z.string().max(128)

const Head = z.strictObject({
  format: z.literal(1),
  clusterId: Text,
  /** The history in force at the backup's revision. */
  history: Text.min(1),
  /** The last entry in it. */
  revision: z.int().min(1),
  /** Milliseconds since 1970. */
  createdAt: z.int().min(0).max(8.64e15),
})

const End = z.strictObject({
  entries: z.int().min(1),
  /** What the digests depend on besides the entries: they can only be compared where it is the same. */
  layout: Text,
  /** Of every projection, as of the revision. */
  digests: z.array(z.strictObject({ projection: Text, digest: Text })).max(1024),
})

export type BackupHead = Readonly<z.output<typeof Head>>
export type BackupEnd = Readonly<z.output<typeof End>>

/** A file that is no sound backup, with the place of the damage. */
export class BackupError extends Rejection {
  /** Where the frame that is damaged begins, in bytes. */
  readonly offset: number
  /** The last entry before the damage. */
  readonly lastRevision: number
  constructor(problem: string, offset: number, lastRevision: number) {
    const sound =
      lastRevision === 0 ? 'nothing of it can be used' : `it is sound up to revision ${lastRevision}`
    super('BACKUP_DAMAGED', `the backup is damaged at byte ${offset}: ${problem}; ${sound}`, {
      offset,
      lastRevision,
    })
    this.name = 'BackupError'
    this.offset = offset
    this.lastRevision = lastRevision
  }
}

/** SHA-256 over the chain before, and a frame's head and body. */
export function link(chain: Buffer, head: Buffer, body: Buffer): Buffer {
  return createHash('sha256').update(chain).update(head).update(body).digest()
}

/** The bytes of an entry in a block, in parts. */
export function encodeEntry({ term, kind, payload }: Entry): readonly Buffer[] {
  const head = Buffer.alloc(ENTRY_HEAD_BYTES)
  head.writeUIntBE(term, 0, 6)
  head.writeUInt8(kinds.indexOf(kind), 6)
  head.writeUInt32BE(payload.length, 7)
  return [head, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)]
}

/** The entries of a block. Throws RangeError for bytes that are none. */
export function decodeEntries(block: Buffer, first: number): readonly Entry[] {
  const entries: Entry[] = []
  for (let at = 0; at < block.length; ) {
    const end = at + ENTRY_HEAD_BYTES + block.readUInt32BE(at + 7)
    const kind = kinds[block.readUInt8(at + 6)]
    if (end > block.length || kind === undefined) throw new RangeError('a block ends within an entry')
    const payload = block.subarray(at + ENTRY_HEAD_BYTES, end)
    entries.push({ index: first + entries.length, term: block.readUIntBE(at, 6), kind, payload })
    at = end
  }
  return entries
}

/** Throws Error for what is no head. */
export function decodeHead(body: Buffer): BackupHead {
  return Head.parse(JSON.parse(body.toString()))
}

/** Throws Error for what is no end. */
export function decodeEnd(body: Buffer): BackupEnd {
  return End.parse(JSON.parse(body.toString()))
}
