import { randomUUID } from 'node:crypto'
import { dirname, join } from 'node:path'
import { type Disk, withFile } from './disk.ts'
import { fileDisk } from './file-disk.ts'

/** Ending of files that were not finished; whoever opens a directory removes them. */
export const temporarySuffix = '.temporary'

/** Makes a rename or a new name in `directory` durable. */
export function syncDirectory(directory: string): Promise<void> {
  return fileDisk.syncDirectory(directory)
}

/** After this resolves, the file is there with exactly these bytes, or (after a crash) as it was before. */
export async function writeFileDurably(
  path: string,
  content: string | Uint8Array,
  disk: Disk = fileDisk,
): Promise<void> {
  const temporary = `${path}.${randomUUID()}${temporarySuffix}`
  try {
    await withFile(disk, temporary, 'create', async (file) => {
      await file.write(typeof content === 'string' ? Buffer.from(content) : content, 0)
      await file.sync()
    })
  } catch (error) {
    await disk.remove(temporary)
    throw error
  }
  await disk.rename(temporary, path)
  await disk.syncDirectory(dirname(path))
}

/** All bytes of a file; undefined when there is none. */
export async function readWhole(disk: Disk, path: string): Promise<Buffer | undefined> {
  const size = await disk.size(path)
  if (size === undefined) return undefined
  return withFile(disk, path, 'read', (file) => file.read(0, size))
}

export async function removeTemporaryFiles(disk: Disk, directory: string): Promise<void> {
  for (const name of await disk.list(directory)) {
    if (name.endsWith(temporarySuffix)) await disk.remove(join(directory, name))
  }
}

/** Bytes of the plain files in a directory; files that vanish meanwhile count as nothing. */
export async function directoryBytes(disk: Disk, directory: string): Promise<number> {
  let total = 0
  for (const name of await disk.list(directory)) total += (await disk.size(join(directory, name))) ?? 0
  return total
}
