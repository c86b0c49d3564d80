import { createHash } from 'node:crypto'
import { type FileHandle, open } from 'node:fs/promises'
import { zstdDecompressSync } from 'node:zlib'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Entry } from '../../log/log.ts'
import {
  type BackupEnd,
  BackupError,
  type BackupHead,
  BLOCK_BYTES_MAX,
  BODY_BYTES_MAX,
  CHAIN_BYTES,
  decodeEnd,
  decodeEntries,
  decodeHead,
  HEAD_BYTES,
  link,
  MAGIC,
} from './format.ts'

/** What the etcd API adds to a backup, so that it is shaped as a snapshot: zero bytes up to a whole page, and SHA-256 over all before. */
const PAGE_BYTES = 512
const SUM_BYTES = 32

export type BackupPart =
  | { readonly type: 'head'; readonly head: BackupHead }
  | { readonly type: 'entries'; readonly entries: readonly Entry[] }
  | { readonly type: 'end'; readonly end: BackupEnd }

/** Reads a backup in order, and checks everything that it gives. Throws BackupError at the first damage, Rejection NOT_FOUND without a file. */
export async function* readBackup(path: string): AsyncGenerator<BackupPart> {
  const file = await open(path, 'r').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new Rejection('NOT_FOUND', `there is no file ${path}`)
    throw error
  })
  try {
    yield* new BackupReader(file).parts()
  } finally {
    await file.close()
  }
}

class BackupReader {
  readonly #file: FileHandle
  /** Of the frame that is being read. */
  #offset = 0
  #revision = 0
  #chain: Buffer = Buffer.alloc(CHAIN_BYTES)
  #head: BackupHead | undefined

  constructor(file: FileHandle) {
    this.#file = file
  }

  async *parts(): AsyncGenerator<BackupPart> {
    if (!(await this.#take(MAGIC.length)).equals(MAGIC))
      throw this.#damaged('it does not begin like a backup')
    this.#offset = MAGIC.length
    for (let expected = 'H'; expected !== ''; ) {
      const { type, body, bytes } = await this.#frame(expected)
      const part = this.#part(type, body)
      if (part.type === 'entries') this.#revision += part.entries.length
      this.#offset += bytes
      expected = type === 'E' ? '' : 'BE'
      if (type === 'E') await this.#checkEnd()
      yield part
    }
  }

  async #frame(expected: string): Promise<{ type: string; body: Buffer; bytes: number }> {
    const head = await this.#take(HEAD_BYTES)
    const type = head.toString('latin1', 0, 1)
    const length = head.readUInt32BE(1)
    if (!expected.includes(type) || length > BODY_BYTES_MAX) throw this.#damaged('no frame begins here')
    const bytes = HEAD_BYTES + length + CHAIN_BYTES
    const frame = await this.#take(bytes)
    const body = frame.subarray(HEAD_BYTES, HEAD_BYTES + length)
    this.#chain = link(this.#chain, head, body)
    if (!this.#chain.equals(frame.subarray(HEAD_BYTES + length)))
      throw this.#damaged(`the checksum of the ${bytes} bytes from there is wrong`)
    return { type, body, bytes }
  }

  #part(type: string, body: Buffer): BackupPart {
    try {
      if (type === 'H') {
        this.#head = decodeHead(body)
        return { type: 'head', head: this.#head }
      }
      if (type === 'E') return { type: 'end', end: this.#complete(decodeEnd(body)) }
      const block = zstdDecompressSync(body, { maxOutputLength: BLOCK_BYTES_MAX })
      return { type: 'entries', entries: decodeEntries(block, this.#revision + 1) }
    } catch (error) {
      if (error instanceof BackupError) throw error
      const names = { H: 'head', B: 'block of entries', E: 'end' } as const
      throw this.#damaged(
        `its ${names[type as keyof typeof names]} is not one that this program can read (${(error as Error).message})`,
      )
    }
  }

  #complete(end: BackupEnd): BackupEnd {
    const wanted = this.#head?.revision
    if (end.entries !== this.#revision || wanted !== this.#revision)
      throw this.#damaged(`${wanted} entries belong in it, ${this.#revision} are there`)
    return end
  }

  async #checkEnd(): Promise<void> {
    const rest = (await this.#file.stat()).size - this.#offset
    if (rest === 0) return
    const shaped = rest < PAGE_BYTES + SUM_BYTES && (this.#offset + rest) % PAGE_BYTES === SUM_BYTES
    if (!shaped) throw this.#damaged('something follows the end')
    const tail = await this.#take(rest)
    const padding = tail.subarray(0, -SUM_BYTES)
    const sum = createHash('sha256')
    for await (const chunk of this.#before(this.#offset)) sum.update(chunk)
    if (padding.some((byte) => byte !== 0) || !sum.update(padding).digest().equals(tail.subarray(-SUM_BYTES)))
      throw this.#damaged('what follows the end is not the checksum of a snapshot')
  }

  /** The file until a place, once more. */
  async *#before(end: number): AsyncGenerator<Buffer> {
    for (let at = 0; at < end; ) {
      const { bytesRead, buffer } = await this.#file.read(
        Buffer.alloc(Math.min(1 << 20, end - at)),
        0,
        null,
        at,
      )
      if (bytesRead === 0) throw this.#damaged('the file ends too early')
      yield buffer.subarray(0, bytesRead)
      at += bytesRead
    }
  }

  async #take(length: number): Promise<Buffer> {
    const buffer = Buffer.allocUnsafe(length)
    let filled = 0
    while (filled < length) {
      const { bytesRead } = await this.#file.read(buffer, filled, length - filled, this.#offset + filled)
      if (bytesRead === 0) throw this.#damaged('the file ends too early')
      filled += bytesRead
    }
    return buffer
  }

  #damaged(problem: string): BackupError {
    return new BackupError(problem, this.#offset, this.#revision)
  }
}
