import { type FileHandle, open, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { incarnationFiles } from './arguments.ts'

const readBytesMax = 256 * 1024
const lineBytesMax = 4096

/** What a guest says on its console, when it serves. */
const readyMarker = 'ULTRACLOUD-READY'

/**
 * The console of one incarnation: a file that QEMU appends to, cut when it has grown to its bound; what was before the cut stays in a
 * second file. What the guest writes during the cut can be lost.
 */
export class ConsoleLog {
  readonly #current: string
  readonly #before: string
  readonly #bytesMax: number
  #offset = 0
  #line = ''

  constructor(directory: string, bytesMax: number) {
    this.#current = join(directory, incarnationFiles.console)
    this.#before = join(directory, incarnationFiles.consoleBefore)
    this.#bytesMax = bytesMax
  }

  /** Reads what is new, keeps the file within its bound, and says whether the guest has said that it is ready. */
  async scan(): Promise<boolean> {
    const size = await sizeOf(this.#current)
    if (size < this.#offset) this.#offset = 0
    let ready = false
    if (size > this.#offset) {
      const start = Math.max(this.#offset, size - readBytesMax)
      const text = this.#line + (await readRange(this.#current, start, size)).toString('latin1')
      this.#offset = size
      ready = text.includes(readyMarker)
      this.#line = text.slice(text.lastIndexOf('\n') + 1).slice(-lineBytesMax)
    }
    if (size > this.#bytesMax) await this.#cut(size)
    return ready
  }

  /** The last bytes, over the cut where need be. */
  async tail(bytes: number): Promise<Buffer> {
    const wanted = Math.min(bytes, 2 * this.#bytesMax)
    const size = await sizeOf(this.#current)
    const recent = await readRange(this.#current, Math.max(0, size - wanted), size)
    if (recent.length >= wanted) return recent
    const sizeBefore = await sizeOf(this.#before)
    const older = await readRange(
      this.#before,
      Math.max(0, sizeBefore - (wanted - recent.length)),
      sizeBefore,
    )
    return Buffer.concat([older, recent])
  }

  async #cut(size: number): Promise<void> {
    await writeFile(this.#before, await readRange(this.#current, size - this.#bytesMax, size), {
      mode: 0o600,
    })
    await truncate(this.#current, 0)
    this.#offset = 0
  }
}

async function sizeOf(path: string): Promise<number> {
  return await stat(path).then(
    (found) => found.size,
    () => 0,
  )
}

async function readRange(path: string, start: number, end: number): Promise<Buffer> {
  let file: FileHandle | undefined
  try {
    file = await open(path, 'r')
    const buffer = Buffer.alloc(Math.max(0, end - start))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, start)
    return buffer.subarray(0, bytesRead)
  } catch {
    return Buffer.alloc(0)
  } finally {
    await file?.close()
  }
}
