import { closeSync, constants, fstatSync, openSync, read, readSync, write } from 'node:fs'
import { type FileHandle, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import type { Disk, DiskFile, OpenMode, SyncReader } from './disk.ts'
import { lockDirectory } from './lock.ts'

const { O_CREAT, O_DSYNC, O_RDONLY, O_RDWR, O_TRUNC } = constants

const flags: Readonly<Record<OpenMode, number>> = {
  read: O_RDONLY,
  create: O_RDWR | O_CREAT | O_TRUNC,
  write: O_RDWR,
  durable: O_RDWR | O_DSYNC,
}

/** The files of the operating system. */
export const fileDisk: Disk = {
  allocationBytes: { first: 1024 * 1024, most: 16 * 1024 * 1024 },
  list: (directory) => readdir(directory),
  async makeDirectory(directory) {
    await mkdir(directory, { recursive: true, mode: 0o700 })
  },
  async size(path) {
    const found = await stat(path).catch(() => undefined)
    return found?.isFile() === true ? found.size : undefined
  },
  exists: (path) =>
    stat(path).then(
      () => true,
      () => false,
    ),
  open: async (path, mode) => new PlainFile(await open(path, flags[mode], 0o600)),
  openSync: (path) => new Reader(openSync(path, 'r')),
  rename,
  remove: (path) => rm(path, { force: true }),
  async syncDirectory(directory) {
    const handle = await open(directory, 'r')
    try {
      await handle.sync()
    } finally {
      await handle.close()
    }
  },
  lock: lockDirectory,
}

/** Reads and writes by callbacks: the promises of a file handle cost half as much again, at each write. */
class PlainFile implements DiskFile {
  readonly #handle: FileHandle

  constructor(handle: FileHandle) {
    this.#handle = handle
  }

  write(content: Uint8Array, position: number): Promise<void> {
    return new Promise((resolve, reject) => {
      write(this.#handle.fd, content, 0, content.length, position, (error, written) => {
        if (error !== null) reject(error)
        else if (written === content.length) resolve()
        else reject(new Error(`short write: ${written} of ${content.length} bytes`))
      })
    })
  }

  async read(position: number, length: number): Promise<Buffer> {
    const target = Buffer.allocUnsafe(length)
    let filled = 0
    while (filled < length) {
      const bytes = await this.#some(target, filled, position + filled)
      if (bytes === 0) break
      filled += bytes
    }
    return target.subarray(0, filled)
  }

  #some(target: Buffer, offset: number, position: number): Promise<number> {
    return new Promise((resolve, reject) => {
      read(this.#handle.fd, target, offset, target.length - offset, position, (error, bytes) => {
        if (error === null) resolve(bytes)
        else reject(error)
      })
    })
  }

  sync(): Promise<void> {
    return this.#handle.sync()
  }

  close(): Promise<void> {
    return this.#handle.close()
  }
}

class Reader implements SyncReader {
  readonly size: number
  readonly #file: number

  constructor(file: number) {
    this.#file = file
    this.size = fstatSync(file).size
  }

  read(position: number, length: number): Buffer {
    if (position + length > this.size) throw new RangeError('file is cut short')
    const target = Buffer.allocUnsafe(length)
    for (let filled = 0; filled < length; ) {
      const bytes = readSync(this.#file, target, filled, length - filled, position + filled)
      if (bytes === 0) throw new RangeError('file is cut short')
      filled += bytes
    }
    return target
  }

  close(): void {
    closeSync(this.#file)
  }
}
