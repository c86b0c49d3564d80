import { createHash } from 'node:crypto'
import { open } from 'node:fs/promises'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import type { Entry } from '../../log/log.ts'
import type { ProjectionDigest } from '../../projections/kernel/store.ts'

/*
 * A backup is one file: 8 bytes of magic, then frames. A frame is its type (1 byte), the length of its body (4 bytes, big-endian), the
 * body, and the chain: SHA-256 over the chain before and all of the frame until there. H: JSON, what the backup is of. B: entries,
 * compressed with Zstandard (RFC 8878). E: JSON, what was there at its end. Nothing follows E.
 */
const MAGIC = Buffer.from('UCBACKUP')
const HEAD_BYTES = 5
const CHAIN_BYTES = 32
const BLOCK_BYTES = 1 << 20
const FRAME_BYTES_MAX = 16 << 20
const ENTRY_HEAD_BYTES = 11

export interface BackupHead {
  readonly format: 1
  readonly clusterId: string
  /** The history in force at the backup's revision. */
  readonly history: string
  /** The last entry in it. */
  readonly revision: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
}

export interface BackupEnd {
  readonly entries: number
  /** Of every projection, as of the revision. */
  readonly digests: readonly ProjectionDigest[]
}

/** A file that is no sound backup, with the place of the damage. */
export class BackupError extends Error {
  readonly code = 'BACKUP_DAMAGED'
  /** Where in the file, in bytes. */
  readonly offset: number
  /** The last entry before the damage. */
  readonly lastRevision: number
  constructor(problem: string, offset: number, lastRevision: number) {
    super(`the backup is damaged at byte ${offset}: ${problem}; it is sound up to revision ${lastRevision}`)
    this.name = 'BackupError'
    this.offset = offset
    this.lastRevision = lastRevision
  }
}

/** Writes a backup, frame by frame. */
export async function* writeBackup(
  head: BackupHead,
  entries: AsyncIterable<readonly Entry[]>,
  end: BackupEnd,
): AsyncGenerator<Buffer> {
  let chain: Buffer = Buffer.alloc(CHAIN_BYTES)
  const frame = (type: string, body: Buffer): Buffer => {
    const front = Buffer.alloc(HEAD_BYTES)
    front.write(type, 0, 'latin1')
    front.writeUInt32BE(body.length, 1)
    chain = link(chain, front, body)
    return Buffer.concat([front, body, chain])
  }
  yield Buffer.concat([MAGIC, frame('H', Buffer.from(JSON.stringify(head)))])
  let parts: Buffer[] = []
  let bytes = 0
  const block = (): Buffer => {
    const body = zstdCompressSync(Buffer.concat(parts), {
      params: { [constants.ZSTD_c_compressionLevel]: 3 },
    })
    parts = []
    bytes = 0
    return frame('B', body)
  }
  for await (const batch of entries) {
    for (const entry of batch) {
      parts.push(...encodeEntry(entry))
      bytes += ENTRY_HEAD_BYTES + entry.payload.length
      if (bytes >= BLOCK_BYTES) yield block()
    }
  }
  if (parts.length > 0) yield block()
  yield frame('E', Buffer.from(JSON.stringify(end)))
}

function link(chain: Buffer, front: Buffer, body: Buffer): Buffer {
  return createHash('sha256').update(chain).update(front).update(body).digest()
}

function encodeEntry({ term, kind, payload }: Entry): readonly Buffer[] {
  const head = Buffer.alloc(ENTRY_HEAD_BYTES)
  head.writeUIntBE(term, 0, 6)
  head.writeUInt8(kind === 'noop' ? 0 : 1, 6)
  head.writeUInt32BE(payload.length, 7)
  return [head, Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)]
}

function* decodeEntries(block: Buffer, first: number): Generator<Entry> {
  let index = first
  for (let at = 0; at < block.length; index++) {
    const length = block.readUInt32BE(at + 7)
    const payload = block.subarray(at + ENTRY_HEAD_BYTES, at + ENTRY_HEAD_BYTES + length)
    if (payload.length !== length) throw new RangeError('an entry is cut short')
    yield {
      index,
      term: block.readUIntBE(at, 6),
      kind: block.readUInt8(at + 6) === 0 ? 'noop' : 'data',
      payload,
    }
    at += ENTRY_HEAD_BYTES + length
  }
}

export type BackupPart =
  | { readonly type: 'head'; readonly head: BackupHead }
  | { readonly type: 'entries'; readonly entries: readonly Entry[] }
  | { readonly type: 'end'; readonly end: BackupEnd }

/** Reads a backup in order, and checks everything that it gives. Throws BackupError at the first damage. */
export async function* readBackup(path: string): AsyncGenerator<BackupPart> {
  const file = await open(path, 'r')
  let offset = 0
  let revision = 0
  const damaged = (problem: string): BackupError => new BackupError(problem, offset, revision)
  const take = async (length: number): Promise<Buffer> => {
    const buffer = Buffer.alloc(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await file.read(buffer, filled, length - filled, offset + filled)
      if (bytesRead === 0) throw damaged('the file ends too early')
      filled += bytesRead
    }
    return buffer
  }
  try {
    if (!(await take(MAGIC.length)).equals(MAGIC)) throw damaged('it does not begin like a backup')
    offset += MAGIC.length
    let chain: Buffer = Buffer.alloc(CHAIN_BYTES)
    for (let expected = 'H'; expected !== ''; ) {
      const front = await take(HEAD_BYTES)
      const type = front.toString('latin1', 0, 1)
      const length = front.readUInt32BE(1)
      if (!expected.includes(type) || length > FRAME_BYTES_MAX) throw damaged('there is no frame here')
      const frame = await take(HEAD_BYTES + length + CHAIN_BYTES)
      const body = frame.subarray(HEAD_BYTES, HEAD_BYTES + length)
      chain = link(chain, front, body)
      if (!chain.equals(frame.subarray(HEAD_BYTES + length))) throw damaged('the checksum chain is broken')
      const part = decodeFrame(type, body, revision + 1)
      if (part.type === 'entries') revision += part.entries.length
      if (part.type === 'end' && part.end.entries !== revision)
        throw damaged(`${part.end.entries} entries were written, ${revision} are there`)
      yield part
      expected = type === 'E' ? '' : 'BE'
      offset += frame.length
    }
    const { size } = await file.stat()
    if (size !== offset) throw damaged('something follows the end')
  } finally {
    await file.close()
  }
}

function decodeFrame(type: string, body: Buffer, first: number): BackupPart {
  if (type === 'H') return { type: 'head', head: JSON.parse(body.toString()) as BackupHead }
  if (type === 'E') return { type: 'end', end: JSON.parse(body.toString()) as BackupEnd }
  return { type: 'entries', entries: [...decodeEntries(zstdDecompressSync(body), first)] }
}
