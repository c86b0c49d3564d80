import { appendFileSync, readdirSync, readlinkSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { EarlySync } from './early_sync.ts'

/** How many descriptors of this process are of a file. */
function descriptorsOf(path: string): number {
  return readdirSync('/proc/self/fd').filter((name) => {
    try {
      return readlinkSync(join('/proc/self/fd', name)) === path
    } catch {
      return false
    }
  }).length
}

test('a file is synced while it is written, and at the end, and then let go', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-sync-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  const path = join(directory, 'file')
  await writeFile(path, '')
  const sync = new EarlySync(path)
  for (let part = 0; part < 50; part++) {
    appendFileSync(path, Buffer.alloc(4096, part))
    sync.begin()
    if (part % 10 === 0) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(descriptorsOf(path)).toBe(1)
  sync.begin()
  sync.end()
  await vi.waitFor(() => expect(descriptorsOf(path)).toBe(0), { timeout: 10_000 })
  expect(() => new EarlySync(join(directory, 'other'))).toThrow('ENOENT')
})
