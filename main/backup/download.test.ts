import { readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { loadDomains } from '../../domains/load.ts'
import type { BackupChunk } from '../../edges/control_plane.ts'
import { saveBackup } from './download.ts'
import { SampleCloud, temporaryDirectory } from './testing.ts'

const registry = await loadDomains()
const cloud = SampleCloud.lived(registry, 30)
const never = new AbortController().signal

async function bytesOfCloud(): Promise<Buffer> {
  return await readFile(await cloud.backUp(await temporaryDirectory()))
}

async function* inPieces(bytes: Buffer, size = 100): AsyncGenerator<BackupChunk> {
  for (let at = 0; at < bytes.length; at += size)
    yield { data: bytes.subarray(at, at + size), revision: at, of: bytes.length }
}

describe('saving a backup', () => {
  it('writes what comes, for its owner alone', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, 'a.backup')
    const bytes = await bytesOfCloud()
    const saved = await saveBackup(path, inPieces(bytes), { force: false, signal: never })
    expect(saved).toMatchObject({ bytes: bytes.length, head: cloud.head() })
    expect(await readFile(path)).toEqual(bytes)
    expect((await stat(path)).mode & 0o777).toBe(0o600)
    expect(await readdir(directory)).toEqual(['a.backup'])
  })

  it('replaces nothing without --force', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, 'a.backup')
    const bytes = await bytesOfCloud()
    await writeFile(path, 'precious')
    const saving = saveBackup(path, inPieces(bytes), { force: false, signal: never })
    await expect(saving).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(await readFile(path, 'utf8')).toBe('precious')
    await saveBackup(path, inPieces(bytes), { force: true, signal: never })
    expect(await readFile(path)).toEqual(bytes)
    expect(await readdir(directory)).toEqual(['a.backup'])
  })

  it('says which directory is not there', async () => {
    const directory = join(await temporaryDirectory(), 'nowhere')
    const saving = saveBackup(join(directory, 'a.backup'), inPieces(Buffer.alloc(1)), {
      force: false,
      signal: never,
    })
    await expect(saving).rejects.toMatchObject({
      code: 'NOT_FOUND',
      message: `there is no directory ${directory}`,
    })
  })

  it('replaces nothing that came meanwhile', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, 'a.backup')
    const bytes = await bytesOfCloud()
    async function* overtaken(): AsyncGenerator<BackupChunk> {
      yield* inPieces(bytes)
      await writeFile(path, 'precious')
    }
    const saving = saveBackup(path, overtaken(), { force: false, signal: never })
    await expect(saving).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(await readFile(path, 'utf8')).toBe('precious')
    expect(await readdir(directory)).toEqual(['a.backup'])
  })

  it('leaves nothing of what ends too early, is damaged, fails or is interrupted', async () => {
    const directory = await temporaryDirectory()
    const path = join(directory, 'a.backup')
    await writeFile(path, 'the one before')
    const bytes = await bytesOfCloud()
    const changed = Buffer.from(bytes)
    changed.writeUInt8(changed.readUInt8(500) ^ 1, 500)
    async function* failing(): AsyncGenerator<BackupChunk> {
      yield* inPieces(bytes.subarray(0, 300))
      throw new Error('the connection is lost')
    }
    const interrupted = new AbortController()
    async function* interrupting(): AsyncGenerator<BackupChunk> {
      yield* inPieces(bytes.subarray(0, 300))
      interrupted.abort()
    }
    const save = (chunks: AsyncIterable<BackupChunk>, signal = never): Promise<unknown> =>
      saveBackup(path, chunks, { force: true, signal })
    await expect(save(inPieces(bytes.subarray(0, -1)))).rejects.toThrow('the file ends too early')
    await expect(save(inPieces(changed))).rejects.toThrow('the backup is damaged at byte')
    await expect(save(inPieces(Buffer.alloc(0)))).rejects.toThrow('the file ends too early')
    await expect(save(failing())).rejects.toThrow('the connection is lost')
    await expect(save(interrupting(), interrupted.signal)).rejects.toThrow('aborted')
    expect(await readFile(path, 'utf8')).toBe('the one before')
    expect(await readdir(directory)).toEqual(['a.backup'])
  })
})
