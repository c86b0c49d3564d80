import { randomUUID } from 'node:crypto'
import { readdir, readFile, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { resultFolder, writeResult } from './result.ts'

test('the result of the latest run replaces the one before, and nothing else is left', async () => {
  const name = `result-test-${randomUUID()}`
  onTestFinished(() => rm(dirname(resultFolder(name)), { recursive: true, force: true }))
  await writeResult(name, { success: false })
  const path = await writeResult(name, { success: true, commands_per_second: 1_000 })
  expect(JSON.parse(await readFile(path, 'utf8'))).toEqual({ success: true, commands_per_second: 1_000 })
  expect(await readdir(resultFolder(name))).toEqual(['result.json'])
})
