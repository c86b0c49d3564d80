import { randomUUID } from 'node:crypto'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** Ending of files that were not finished; whoever opens a directory removes them. */
export const temporarySuffix = '.temporary'

/** Makes a rename or a new name in `directory` durable. */
export async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

/** After this resolves, the file is there with exactly these bytes, or (after a crash) as it was before. */
export async function writeFileDurably(path: string, content: string | Buffer): Promise<void> {
  const temporary = `${path}.${randomUUID()}${temporarySuffix}`
  const handle = await open(temporary, 'wx', 0o600)
  try {
    await handle.writeFile(content)
    await handle.sync()
  } catch (error) {
    await handle.close()
    await rm(temporary, { force: true })
    throw error
  }
  await handle.close()
  await rename(temporary, path)
  await syncDirectory(dirname(path))
}

export async function removeTemporaryFiles(directory: string): Promise<void> {
  for (const name of await readdir(directory)) {
    if (name.endsWith(temporarySuffix)) await rm(join(directory, name), { force: true })
  }
}

/** Bytes of the plain files in a directory; files that vanish meanwhile count as nothing. */
export async function directoryBytes(directory: string): Promise<number> {
  let total = 0
  for (const name of await readdir(directory)) {
    const found = await stat(join(directory, name)).catch(() => undefined)
    if (found?.isFile() === true) total += found.size
  }
  return total
}
