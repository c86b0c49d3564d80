import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { findProcess, identifyProcess, isAlive, signalProcess } from './process_identity.ts'

let directory: string
let child: ChildProcess

beforeEach(async () => {
  directory = await realpath(await mkdtemp(join(tmpdir(), 'ultracloud-process-')))
  child = spawn('sleep', ['60'], { cwd: directory, stdio: 'ignore' })
  await once(child, 'spawn')
})

afterEach(async () => {
  child.kill('SIGKILL')
  await rm(directory, { recursive: true, force: true })
})

test('a process is known by number, start and boot together', async () => {
  const identity = await identifyProcess(child.pid ?? 0)
  if (identity === undefined) throw new Error('The child has no identity.')
  expect(await isAlive(identity)).toBe(true)
  expect(await isAlive({ ...identity, startTicks: '1' })).toBe(false)
  expect(await isAlive({ ...identity, bootId: 'another' })).toBe(false)
  // A signal meant for an earlier holder of the number does not reach the present one.
  expect(await signalProcess({ ...identity, startTicks: '1' }, 'SIGKILL')).toBe(false)
  expect(await isAlive(identity)).toBe(true)

  const exited = once(child, 'exit')
  expect(await signalProcess(identity, 'SIGKILL')).toBe(true)
  await exited
  expect(await isAlive(identity)).toBe(false)
  expect(await signalProcess(identity, 'SIGKILL')).toBe(false)
})

test('a process is found by its directory and program, and by nothing less', async () => {
  const found = await findProcess(directory, 'sleep')
  expect(found?.pid).toBe(child.pid)
  expect(await findProcess(directory, 'qemu-system-x86_64')).toBeUndefined()
  expect(await findProcess(join(directory, 'other'), 'sleep')).toBeUndefined()
  expect(await findProcess(directory, 'sleep', [process.pid])).toBeUndefined()
})
