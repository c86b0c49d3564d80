import { afterAll, beforeAll, expect, it } from 'vitest'
import { RawClient } from './testing/client.ts'
import { TestCluster } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'

/** The history answers with 1000 keys: it takes three answers. */
const KEYS = 2500
const TOGETHER = 125
const interval = { key: Buffer.from('p/'), rangeEnd: Buffer.from('p0') }

let cluster: TestCluster
let client: RawClient
/** All keys are there, and all are gone after it. */
let revision: number

interface Shown {
  readonly header: { readonly revision: string }
  readonly kvs?: readonly { readonly key: string }[]
  readonly more?: boolean
  readonly count?: string
}

async function ask(kind: 'Range' | 'Txn' | 'DeleteRange', fields: object): Promise<Shown> {
  const answer = await client.call(`KV/${kind}`, `${kind}Request`, `${kind}Response`, fields)
  if (!answer.ok) throw new Error(answer.text)
  return plain(answer.message) as Shown
}

beforeAll(async () => {
  cluster = await TestCluster.start(1)
  client = new RawClient(cluster.addresses[0] as string)
  for (let at = 0; at < KEYS; at += TOGETHER) {
    const success = Array.from({ length: TOGETHER }, (_, number) => {
      return {
        requestPut: {
          key: Buffer.from(`p/${String(at + number).padStart(4, '0')}`),
          value: Buffer.from('v'),
        },
      }
    })
    revision = Number((await ask('Txn', { success })).header.revision)
  }
  await ask('DeleteRange', interval)
})

afterAll(async () => {
  client?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

const names = ({ kvs = [] }: Shown): readonly string[] => kvs.map(({ key }) => key)

it.each([
  ['all', {}, 0, KEYS],
  ['as many as one answer holds', { limit: 1000 }, 0, 1000],
  ['more than that', { limit: 1001 }, 0, 1001],
  ['as many as there are', { limit: KEYS }, 0, KEYS],
  ['the last ones first', { limit: 3, sortOrder: 2 }, KEYS - 1, 3],
  ['how many', { countOnly: true }, 0, 0],
])(
  'keys of the past, which the history tells in parts, are shown whole: %s',
  async (_, fields, first, shown) => {
    const answer = await ask('Range', { ...interval, revision, ...fields })
    expect(Number(answer.count)).toBe(KEYS)
    expect(answer.more === true).toBe('limit' in fields && shown < KEYS)
    expect(names(answer)).toHaveLength(shown)
    if (shown > 0) expect(names(answer)[0]).toBe(`p/${String(first).padStart(4, '0')}`)
  },
)

const times = <T>(length: number, what: T): readonly T[] => Array.from({ length }, () => what)

it('a transaction reads a bounded number of them', async () => {
  const past = { requestRange: { ...interval, revision } }
  const few = await ask('Txn', { success: times(8, past) })
  expect(few).toMatchObject({ responses: times(8, { responseRange: { count: String(KEYS) } }) })
  const many = times(9, past)
  await expect(ask('Txn', { success: many })).rejects.toThrow('too many keys to read in txn request')
  const put = { requestPut: { key: Buffer.from('w'), value: Buffer.from('v') } }
  await expect(ask('Txn', { success: [put, ...many] })).rejects.toThrow(
    'what it writes is committed all the same',
  )
  expect(Number((await ask('Range', { key: Buffer.from('w') })).count)).toBe(1)
})
