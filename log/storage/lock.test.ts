import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { lockDirectory } from './lock.ts'
import { TestStorage } from './test-storage.ts'

const storage = TestStorage.use()

test('a lock keeps other processes and other openers out, and ends with its process', async () => {
  await mkdir(storage.directory)
  const locking = `
    const { lockDirectory } = await import(${JSON.stringify(new URL('lock.ts', import.meta.url).href)})
    await lockDirectory(${JSON.stringify(storage.directory)})
    console.log('locked')
    setInterval(() => undefined, 60_000)`
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', locking], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(holder, 'close')
  try {
    await once(holder.stdout, 'data')
    await expect(lockDirectory(storage.directory)).rejects.toThrow('LOCKED')
  } finally {
    holder.kill('SIGKILL')
    await ended
  }
  const unlock = await lockDirectory(storage.directory)
  await expect(lockDirectory(storage.directory)).rejects.toThrow('LOCKED')
  unlock()
  const again = await lockDirectory(storage.directory)
  again()
})
