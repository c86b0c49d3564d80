import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { acquireExclusiveLock } from './exclusive_lock.ts'

let scratch: string

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'ultracloud-lock-'))
})

afterAll(() => rm(scratch, { recursive: true, force: true }))

test('one holds it at a time, and the next gets it when it is released', async () => {
  const path = join(scratch, 'one')
  const first = await acquireExclusiveLock(path, 10_000)
  let granted = false
  const waiting = acquireExclusiveLock(path, 10_000).then((lock) => {
    granted = true
    return lock
  })
  await expect(acquireExclusiveLock(path, 50)).rejects.toMatchObject({ code: 'hostd/lock_timeout' })
  expect(granted).toBe(false)
  await first.release()
  await (await waiting).release()
})

test('the lock of a process that is killed is free', async () => {
  const path = join(scratch, 'two')
  const program = [
    `import { acquireExclusiveLock } from ${JSON.stringify(new URL('exclusive_lock.ts', import.meta.url))}`,
    `await acquireExclusiveLock(${JSON.stringify(path)}, 10_000)`,
    "process.stdout.write('held')",
    'process.stdin.resume()',
  ].join('\n')
  const holder = spawn(process.execPath, ['--input-type=module', '--eval', program], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  await once(holder.stdout, 'data')
  await expect(acquireExclusiveLock(path, 50)).rejects.toMatchObject({ code: 'hostd/lock_timeout' })
  holder.kill('SIGKILL')
  await (await acquireExclusiveLock(path, 10_000)).release()
})
