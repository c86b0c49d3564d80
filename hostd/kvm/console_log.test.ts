import { appendFile, mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { ConsoleLog } from './console_log.ts'

let directory: string
let file: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-console-'))
  file = join(directory, 'console.log')
})

afterEach(() => rm(directory, { recursive: true, force: true }))

test('the marker is seen once, also when it comes in pieces', async () => {
  const console_ = new ConsoleLog(directory, 1024)
  expect(await console_.scan()).toBe(false)
  await appendFile(file, 'booting\nULTRACLOUD-')
  expect(await console_.scan()).toBe(false)
  await appendFile(file, 'READY web-1\n')
  expect(await console_.scan()).toBe(true)
  await appendFile(file, 'more\n')
  expect(await console_.scan()).toBe(false)
})

test('the file stays within its bound and the tail reads over the cut', async () => {
  const console_ = new ConsoleLog(directory, 100)
  await appendFile(file, `${'a'.repeat(150)}\n`)
  await console_.scan()
  expect((await stat(file)).size).toBe(0)
  await appendFile(file, 'ULTRACLOUD-READY\n')
  expect(await console_.scan()).toBe(true)
  expect((await console_.tail(20)).toString()).toBe('aa\nULTRACLOUD-READY\n')
  expect((await console_.tail(1_000_000)).length).toBe(117)
  expect((await console_.tail(0)).length).toBe(0)
})

test('a console that was never written is empty', async () => {
  expect((await new ConsoleLog(directory, 100).tail(10)).length).toBe(0)
})
