import { afterEach, expect, it } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { until } from '../testing/until.ts'
import { FrameReader, frame } from './frames.ts'
import { decodeAny, encode } from './messages.ts'
import { type Answer, RawClient } from './testing/client.ts'
import { TestCluster } from './testing/nodes.ts'
import { plain } from './testing/normal.ts'

const ID = '7'
const TTL = 2

let cluster: TestCluster
let client: RawClient

afterEach(async () => {
  client?.[Symbol.dispose]()
  await cluster?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

const put = (key: string): Promise<Answer> =>
  client.call('KV/Put', 'PutRequest', 'PutResponse', { key: Buffer.from(key), lease: ID })

const inspect = (): Promise<Answer> =>
  client.call('Lease/LeaseTimeToLive', 'LeaseTimeToLiveRequest', 'LeaseTimeToLiveResponse', {
    ID,
    keys: true,
  })

async function grant(seconds: number): Promise<void> {
  const request = { ID, TTL: seconds }
  const answer = await client.call('Lease/LeaseGrant', 'LeaseGrantRequest', 'LeaseGrantResponse', request)
  expect(answer).toMatchObject({ ok: true })
}

interface Told {
  readonly header: { readonly revision: string }
  readonly TTL?: string
  readonly keys?: readonly string[]
}

/** Keeps the lease alive once; what is told comes to `told`. */
function keepAlive(): { readonly told: Told[] } {
  const told: Told[] = []
  const reader = new FrameReader(1 << 20)
  const stream = client.open('Lease/LeaseKeepAlive')
  stream.on('data', (chunk: Buffer) => {
    for (const message of reader.take(chunk))
      told.push(plain(decodeAny('LeaseKeepAliveResponse', message)) as Told)
  })
  stream.write(frame(encode('LeaseKeepAliveRequest', { ID })))
  return { told }
}

/** Starts one member, on which the revoke of what expires stays in flight until `end` says what becomes of it. */
async function withRevokeHeld(): Promise<{
  readonly reached: () => boolean
  readonly end: PromiseWithResolvers<void>
}> {
  cluster = await TestCluster.start(1)
  const { platform, address } = await cluster.leader()
  client = new RawClient(address)
  const submit = platform.submit.bind(platform)
  const end = Promise.withResolvers<void>()
  let isReached = false
  platform.submit = async (request) => {
    if (request.type === 'kv.LeaseRevoke') {
      isReached = true
      await end.promise
      platform.submit = submit
    }
    return submit(request)
  }
  return { reached: () => isReached, end }
}

it('a lease that expires is told to be gone once that is committed, and not before', async () => {
  const { reached, end } = await withRevokeHeld()
  await grant(TTL)
  await put('leased')
  await until('the lease is being revoked', reached)
  const { told } = keepAlive()
  // What is asked later on the same connection is answered, and the lease is there.
  expect(plain(((await inspect()) as Extract<Answer, { ok: true }>).message)).toMatchObject({
    keys: ['leased'],
  })
  expect(told).toEqual([])
  end.resolve()
  await until('the answer', () => told.length > 0)
  expect(told[0]?.TTL ?? '0').toBe('0')
  const gone = (await inspect()) as Extract<Answer, { ok: true }>
  expect(plain(gone.message)).toMatchObject({ TTL: '-1', header: { revision: told[0]?.header.revision } })
})

it('a lease whose revoke comes to nothing is kept alive', async () => {
  const { reached, end } = await withRevokeHeld()
  await grant(TTL)
  await until('the lease is being revoked', reached)
  const { told } = keepAlive()
  await inspect()
  expect(told).toEqual([])
  end.reject(new Rejection('OUTCOME_UNKNOWN', 'leadership was lost'))
  await until('the answer', () => told.length > 0)
  expect(told[0]?.TTL).toBe(String(TTL))
})

it('the keys of a lease are told under the revision at which it had them', async () => {
  cluster = await TestCluster.start(1)
  client = new RawClient((await cluster.leader()).address)
  await grant(60)
  const puts = Array.from({ length: 200 }, (_, number) => () => put(`k${number}`))
  const answers: Promise<Answer>[] = []
  for (let at = 0; at < puts.length; at += 8) {
    const some = puts.slice(at, at + 8).map((start) => {
      const done = start()
      answers.push(inspect())
      return done
    })
    await Promise.all(some)
  }
  const counts = (await Promise.all(answers)).map((answer) => {
    if (!answer.ok) throw new Error(answer.text)
    const { header, keys } = plain(answer.message) as Told
    return { keys: keys?.length ?? 0, expected: Number(header.revision) - 1 }
  })
  expect(counts.filter(({ keys, expected }) => keys !== expected)).toEqual([])
  expect(new Set(counts.map(({ keys }) => keys)).size).toBeGreaterThan(10)
})
