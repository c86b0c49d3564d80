import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { GROWTH_BYTES_MAX, NodeProcess } from './node.ts'

/** More commands at once than the member takes: those beyond are refused with OVERLOADED and did not happen; none that was accepted is lost or doubled. */
const COMMANDS = 6000
const CONNECTIONS = 24

let node: NodeProcess
let clients: readonly ApiClient[]

beforeAll(async () => {
  node = await NodeProcess.start(['member'])
  clients = Array.from({ length: CONNECTIONS }, () => new ApiClient(node.api, node.facts.grpc, node.token))
})

afterAll(async () => {
  for (const client of clients ?? []) client.close()
  await node?.close()
})

interface Wanted {
  readonly name: string
  readonly commandId: string
}

async function attempt({ name, commandId }: Wanted, client: ApiClient): Promise<string> {
  try {
    await client.command({ type: 'iam.CreateUser', data: { name }, commandId })
    return 'ok'
  } catch (error) {
    if (error instanceof Rejection) return error.code
    throw error
  }
}

async function users(): Promise<ReadonlySet<string>> {
  const names: string[] = []
  let pageToken: string | undefined
  do {
    const page = await node.admin.read({ kind: 'iam.user', pageSize: 1000, pageToken })
    names.push(...page.rows.map((row) => String(row['name'])))
    pageToken = page.nextPageToken
  } while (pageToken !== '')
  return new Set(names)
}

test('a flood of commands is refused beyond the bound, and nothing is lost', async () => {
  const wanted = Array.from({ length: COMMANDS }, (_, i) => ({
    name: `flood-${i}`,
    commandId: newCommandId(),
  }))
  const clientOf = (i: number): ApiClient => clients[i % CONNECTIONS] ?? node.admin
  const outcomes = await Promise.all(wanted.map((each, i) => attempt(each, clientOf(i))))
  const codes = new Set(outcomes)
  expect([...codes].sort()).toEqual(['OVERLOADED', 'ok'])
  const found = await users()
  for (const [i, { name }] of wanted.entries()) expect(found.has(name), name).toBe(outcomes[i] === 'ok')
  for (const growth of await node.growth()) expect(growth).toBeLessThan(GROWTH_BYTES_MAX)
  let left = wanted
  while (left.length > 0) {
    const batch = left.slice(0, 500)
    const again = await Promise.all(batch.map((each, i) => attempt(each, clientOf(i))))
    expect(new Set(again)).toEqual(new Set(['ok']))
    left = left.slice(500)
  }
  const all = [...(await users())].filter((name) => name.startsWith('flood-'))
  expect(all).toHaveLength(COMMANDS)
  const started = performance.now()
  await node.admin.read({ kind: 'iam.user', name: 'admin' })
  expect(performance.now() - started).toBeLessThan(2000)
  for (const growth of await node.growth()) expect(growth).toBeLessThan(GROWTH_BYTES_MAX)
}, 240_000)
