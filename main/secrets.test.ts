import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ConfigError } from './config.ts'
import { readShared } from './secrets.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-secrets-'))
})

afterEach(() => rm(directory, { recursive: true, force: true }))

it('a secret that all members share is read, and never made', async () => {
  const path = join(directory, 'cluster.secret')
  await expect(readShared(path)).rejects.toThrow(ConfigError)
  await expect(readShared(path)).rejects.toThrow("the members' secret is needed, the same on each of them")
  expect(await readdir(directory)).toEqual([])
  await writeFile(path, '\n')
  await expect(readShared(path)).rejects.toThrow('is empty')
  await writeFile(path, 'shared\n')
  expect(await readShared(path)).toBe('shared')
})
