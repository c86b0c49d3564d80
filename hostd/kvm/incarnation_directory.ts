import { mkdir, open, readdir, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError } from '../errors.ts'

const uidPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/

/**
 * The directory of an incarnation.
 *
 * @throws HostError `hostd/invalid_specification` when the uid could lead out of `hostDirectory` or into QEMU's options.
 */
export function incarnationDirectory(hostDirectory: string, incarnation: string): string {
  if (!uidPattern.test(incarnation)) {
    throw new HostError(
      'hostd/invalid_specification',
      `${incarnation} cannot name an incarnation's directory.`,
    )
  }
  return join(hostDirectory, 'incarnations', incarnation)
}

/** The uids of all incarnations that have a directory. */
export async function listIncarnations(hostDirectory: string): Promise<string[]> {
  const parent = join(hostDirectory, 'incarnations')
  await mkdir(parent, { recursive: true, mode: 0o700 })
  return (await readdir(parent)).filter((name) => uidPattern.test(name)).sort()
}

/** Writes a record so that a reader, also after a crash, finds all of it or the one before. */
export async function writeRecord(path: string, value: unknown): Promise<void> {
  const file = await open(`${path}.new`, 'w', 0o600)
  try {
    await file.writeFile(`${JSON.stringify(value)}\n`)
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(`${path}.new`, path)
}

/** Reads a record, or undefined when there is none or it is damaged. */
export async function readRecord<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as T
  } catch {
    return undefined
  }
}

/** Makes the directory readable by its owner alone: it holds user data, and the socket that commands the hypervisor. */
export async function makeDirectory(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
}
