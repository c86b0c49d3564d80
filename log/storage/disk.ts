/** What the storage of the log needs of a disk. It is a port, so that tests run the same code on a disk that they can crash. */
export interface Disk {
  /** Bytes of the first file that is allocated before it is needed, and of the largest: a small log needs little room. */
  readonly allocationBytes: { readonly first: number; readonly most: number }
  /** Names in a directory, in any order. */
  list(directory: string): Promise<readonly string[]>
  /** With those above it; nothing happens when it is there. */
  makeDirectory(directory: string): Promise<void>
  /** Bytes of a plain file; undefined when there is none. */
  size(path: string): Promise<number | undefined>
  exists(path: string): Promise<boolean>
  /** Throws when it is not there. */
  open(path: string, mode: OpenMode): Promise<DiskFile>
  /** For reads that must be answered in the same turn. Throws when it is not there. */
  openSync(path: string): SyncReader
  rename(from: string, to: string): Promise<void>
  /** Nothing happens when it is not there. */
  remove(path: string): Promise<void>
  /** Makes new, renamed and removed names in a directory durable. */
  syncDirectory(directory: string): Promise<void>
  /** Takes a directory for this process until the returned function is called or the process ends. Throws LOCKED. */
  lock(directory: string): Promise<() => void>
}

/**
 * - `read`: no writes.
 * - `create`: empty, in place of what was there; writes are durable after `sync`.
 * - `write`: an existing file; writes are durable after `sync`.
 * - `durable`: an existing file; a write is durable once it resolves, in one system call.
 */
export type OpenMode = 'read' | 'create' | 'write' | 'durable'

export interface DiskFile {
  /** Writes all of `content`. Rejects when a write failed or was short: nothing is known about its bytes then. */
  write(content: Uint8Array, position: number): Promise<void>
  /** Fewer bytes than `length` at the end of the file alone. */
  read(position: number, length: number): Promise<Buffer>
  sync(): Promise<void>
  close(): Promise<void>
}

export interface SyncReader {
  readonly size: number
  /** Throws RangeError when the file ends before. */
  read(position: number, length: number): Buffer
  close(): void
}

/** Runs `action` on a file that is closed afterwards. */
export async function withFile<T>(
  disk: Disk,
  path: string,
  mode: OpenMode,
  action: (file: DiskFile) => Promise<T>,
): Promise<T> {
  const file = await disk.open(path, mode)
  try {
    return await action(file)
  } finally {
    await file.close()
  }
}

/** Runs `action` on a file that is closed afterwards. */
export function readSync<T>(disk: Disk, path: string, action: (reader: SyncReader) => T): T {
  const reader = disk.openSync(path)
  try {
    return action(reader)
  } finally {
    reader.close()
  }
}
