import { randomBytes } from 'node:crypto'
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'
import { ConfigError } from './config.ts'

/** Reads a file, or makes it with this content: mode 0600, synced, and whole or not at all. */
export async function readOrCreate(path: string, content: () => string): Promise<string> {
  const found = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined
    throw error
  })
  if (found !== undefined) return found.trim()
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${process.pid}.new`
  const file = await open(temporary, 'wx', 0o600)
  await file.writeFile(`${content()}\n`)
  await file.sync()
  await file.close()
  try {
    await link(temporary, path)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  } finally {
    await unlink(temporary)
  }
  return (await readFile(path, 'utf8')).trim()
}

/** The secret in a file that others have as well. Throws ConfigError when it is not there: one that is made here nobody else would know. */
export async function readShared(path: string): Promise<string> {
  const found = await readFile(path, 'utf8').catch((error: Error) => {
    throw new ConfigError(`the members' secret is needed, the same on each of them: ${error.message}`)
  })
  if (found.trim() === '') throw new ConfigError(`${path} is empty: it must hold the members' secret`)
  return found.trim()
}

/** 32 random bytes in hexadecimal. */
export function newSecret(): string {
  return randomBytes(32).toString('hex')
}

/** The master key in a file. Throws ConfigError for a file that holds none. */
export async function readMasterKey(path: string, create: boolean): Promise<Uint8Array> {
  const text = create ? await readOrCreate(path, newSecret) : (await readFile(path, 'utf8')).trim()
  if (!/^[0-9a-f]{64}$/.test(text))
    throw new ConfigError(`${path} holds no master key: it must be 64 hexadecimal digits`)
  return Buffer.from(text, 'hex')
}
