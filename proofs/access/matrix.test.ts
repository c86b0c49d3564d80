import { readFile, writeFile } from 'node:fs/promises'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestCloud } from './cloud.ts'
import { commandRequests } from './commands.ts'
import { type Line, matrixText, tried } from './matrix.ts'
import { operations } from './operations.ts'
import { type Population, populate } from './tenants.ts'

/** Written anew with UPDATE_MATRIX=1; a person reviews the difference. */
const golden = new URL('./matrix.txt', import.meta.url)

let cloud: TestCloud
let population: Population

beforeAll(async () => {
  cloud = await TestCloud.start()
  population = await populate(cloud)
})

afterAll(async () => {
  await cloud?.close()
})

test('every command has a request, and no request is of a command that is gone', () => {
  const { domains } = cloud.node.platform.engine.registry
  const commands = [...domains.values()].flatMap(({ contract }) =>
    Object.keys(contract.commands).map((name) => `${contract.name}.${name}`),
  )
  expect(Object.keys(commandRequests).sort()).toEqual(commands.sort())
})

test('every command and every read answers every principal as the matrix says', async () => {
  const lines: Line[] = []
  for (const operation of operations(cloud, population))
    lines.push(await tried(operation, population.principals))
  const text = matrixText(lines, population.principals)
  if (process.env['UPDATE_MATRIX'] === '1') await writeFile(golden, text)
  expect(text).toBe(await readFile(golden, 'utf8'))
  expect(cloud.faults).toEqual([])
}, 240_000)
