import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { TestCluster } from './testing/nodes.ts'

let cluster: TestCluster
let client: Etcd3

beforeAll(async () => {
  cluster = await TestCluster.start(1)
  client = new Etcd3({ hosts: cluster.addresses.map((address) => `http://${address}`) })
})

afterAll(async () => {
  client?.close()
  await cluster?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

it('the npm client etcd3 reads and writes', async () => {
  await client.put('a').value('1')
  await client.put('ab').value('2')
  expect(await client.get('a').string()).toBe('1')
  expect(await client.getAll().prefix('a').strings()).toEqual({ a: '1', ab: '2' })
  expect(await client.if('a', 'Value', '==', '1').then(client.put('a').value('3')).commit()).toMatchObject({
    succeeded: true,
  })
  await client.delete().key('ab')
  expect(await client.getAll().strings()).toEqual({ a: '3' })
})

it('the npm client etcd3 watches', async () => {
  const watcher = await client.watch().prefix('w').create()
  const seen = new Promise<string>((resolve) => watcher.on('put', ({ value }) => resolve(value.toString())))
  await client.put('w1').value('seen')
  expect(await seen).toBe('seen')
  await watcher.cancel()
})

it('the npm client etcd3 holds leases and locks', async () => {
  const lease = client.lease(10)
  await lease.put('leased').value('x')
  expect(await client.get('leased').string()).toBe('x')
  await lease.revoke()
  expect(await client.get('leased').string()).toBeNull()
  const lock = await client.lock('mine').acquire()
  await expect(client.lock('mine').acquire()).rejects.toThrow()
  await lock.release()
  await client.lock('mine').do(async () => undefined)
})

it('the npm client etcd3 campaigns', async () => {
  const campaign = client.election('leader').campaign('me')
  await new Promise((resolve) => campaign.once('elected', resolve))
  expect(await client.election('leader').leader()).toBe('me')
  await campaign.resign()
})
