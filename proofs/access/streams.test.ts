import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestCloud } from './cloud.ts'

/** What is taken back counts for what is under way, too. */
let cloud: TestCloud

beforeAll(async () => {
  cloud = await TestCloud.start()
})

afterAll(async () => {
  await cloud?.close()
})

interface Follower {
  readonly first: Promise<unknown>
  readonly ended: Promise<unknown>
}

/** Follows a stream: resolves with its first message, and with what it ended with. */
function follow(token: string, method: string, request: Readonly<Record<string, unknown>>): Follower {
  const { promise: first, resolve } = Promise.withResolvers<unknown>()
  const run = async (): Promise<void> => {
    for await (const message of cloud.client(token).stream(method, request, AbortSignal.timeout(20_000)))
      resolve(message)
  }
  const ended = run().then(
    () => 'it ended by itself',
    (error: unknown) => error,
  )
  return { first: Promise.race([first, ended]), ended }
}

async function account(
  name: string,
  role: string,
): Promise<{ readonly token: string; readonly value: string }> {
  await cloud.run('iam.CreateServiceAccount', { project: 'default', name })
  await cloud.run('iam.CreateBinding', { name, serviceAccount: `default/${name}`, role })
  const issued = await cloud.run('iam.IssueServiceAccountToken', { project: 'default', serviceAccount: name })
  return { token: String(issued['token']), value: String(issued['tokenValue']) }
}

const log = { from: 1, limit: 0, type: '', follow: true }
const zones = { projection: 'zones', slice: '', fromRevision: 0, history: '' }

test.each([
  ['Log', log],
  ['FollowFeed', zones],
])('%s ends when its token is revoked', async (method, request) => {
  const name = `revoked-${method.toLowerCase()}`
  const { token, value } = await account(name, 'admin')
  const { first, ended } = follow(value, `ClusterService/${method}`, request)
  await first
  await cloud.run('iam.RevokeToken', { token })
  await cloud.run('dns.CreateZone', { project: 'default', name: `${name}.test` })
  expect(await ended).toMatchObject({ code: 'UNAUTHENTICATED' })
})

test('a stream ends when its principal is suspended', async () => {
  const { value } = await account('two', 'dns')
  const { first, ended } = follow(value, 'ClusterService/FollowFeed', zones)
  await first
  await cloud.run('iam.SuspendServiceAccount', { project: 'default', name: 'two' })
  await cloud.run('dns.CreateZone', { project: 'default', name: 'two.test' })
  const code = expect.stringMatching(/UNAUTHENTICATED|PERMISSION_DENIED/) as string
  expect(await ended).toMatchObject({ code })
})

test('a stream ends when its role is taken back', async () => {
  const { value } = await account('three', 'dns')
  const { first, ended } = follow(value, 'ClusterService/FollowFeed', zones)
  await first
  await cloud.run('iam.DeleteBinding', { name: 'three' })
  await cloud.run('dns.CreateZone', { project: 'default', name: 'three.test' })
  expect(await ended).toMatchObject({ code: 'PERMISSION_DENIED' })
})
