import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import type { Rejection } from '../../domains/kernel/rejection.ts'
import { followFeed } from '../../edges/grpc/follow_feed.ts'
import { GROWTH_BYTES_MAX, NodeProcess } from './node.ts'
import { frame } from './raw.ts'

/** Readers that stop reading cost the member a bounded amount of memory, are ended with a clear error, and hold up nobody else. */
const LISTENERS = 256
const ROUNDS = 400
const SILENT_READERS = 40
/** How long the server waits for a reader that takes nothing, and a little more: time in which changes go on. */
const SLOW_READER_MS = 33_000
const project = 'default'
const feed = { projection: 'balancers', slice: '', fromRevision: 0, history: '' }
const log = { from: 1, limit: 0, type: '', follow: true }

let node: NodeProcess
let members: readonly string[]
const sessions: ClientHttp2Session[] = []

beforeAll(async () => {
  node = await NodeProcess.start(['member'])
  await node.run('lb.CreateLoadBalancer', { project, name: 'web' })
  await node.run('lb.CreatePool', { project, name: 'web' })
  members = await Promise.all(
    Array.from({ length: LISTENERS }, async (_, i) => {
      const name = `web-${i}`
      await node.run('lb.CreateListener', {
        project,
        name,
        loadBalancer: 'web',
        protocol: 'TCP',
        port: 10_000 + i,
        pool: 'web',
      })
      await node.run('lb.CreatePool', { project, name })
      const { uid } = await node.run('lb.CreateMember', {
        project,
        name,
        pool: name,
        address: '192.0.2.1',
        port: 80,
      })
      return String(uid)
    }),
  )
  const followers = new Followers()
  for (let round = 0; round < ROUNDS; round++) await change(round)
  await followers.end()
  await node.judgeFromHere()
}, 240_000)

afterAll(async () => {
  for (const session of sessions) session.destroy()
  await node?.close()
})

/** Opens a stream and takes nothing of it: HTTP/2's windows fill, and then the server's own bound. */
function open(method: string, fields: Record<string, unknown>): ClientHttp2Stream {
  const { path, types } = node.api.method(method)
  const session = connect(`http://${node.facts.grpc}`)
  sessions.push(session)
  const stream = session.request({
    ':method': 'POST',
    ':path': path,
    'content-type': 'application/grpc',
    te: 'trailers',
    authorization: `Bearer ${node.token}`,
  })
  stream.end(frame(node.api.codec.encode(types.request, fields)))
  return stream
}

/** Takes what has come, to the end. */
function drain(stream: ClientHttp2Stream): Promise<{ readonly code: string; readonly bytes: number }> {
  return new Promise((resolve, reject) => {
    let bytes = 0
    let code = 'none'
    stream.on('data', (part: Buffer) => {
      bytes += part.length
    })
    stream.on('trailers', (trailers: IncomingHttpHeaders) => {
      code = String(trailers['ultracloud-code'])
    })
    stream.on('error', reject)
    const timer = setTimeout(() => reject(new Error('the stream was not ended')), 10_000)
    stream.on('close', () => {
      clearTimeout(timer)
      resolve({ code, bytes })
    })
  })
}

/** One command that changes every row of the feed, and now and then one of many events, for the log. */
async function change(round: number): Promise<void> {
  const algorithm = round % 2 === 0 ? 'LEAST_CONNECTIONS' : 'ROUND_ROBIN'
  await node.run('lb.UpdatePool', { project, name: 'web', algorithm })
  if (round % 4 > 0) return
  const health = round % 8 === 0 ? 'ONLINE' : 'OFFLINE'
  const changes = members.map((member) => ({ member, health, reason: `round ${round}` }))
  await node.run('lb.ReportHealth', { changes })
}

async function expectWell(): Promise<void> {
  const started = performance.now()
  await node.admin.read({ kind: 'lb.member', project, name: 'web-0', consistency: 'stale' })
  expect(performance.now() - started).toBeLessThan(2000)
  for (const growth of await node.growth()) expect(growth).toBeLessThan(GROWTH_BYTES_MAX)
}

/** Readers as they should be: one of the feed, and one of the log that takes its time, and takes something all the time. */
class Followers {
  readonly interruptions: Rejection[] = []
  revision = 0
  changes = 0
  entries = 0
  last: unknown
  readonly #stop = new AbortController()
  readonly #running: readonly Promise<void>[]

  constructor() {
    this.#running = [this.#feed(), this.#log()]
    for (const running of this.#running) running.catch(() => this.#stop.abort())
  }

  async #feed(): Promise<void> {
    const onInterruption = (why: Rejection): void => void this.interruptions.push(why)
    for await (const batch of followFeed(node.admin, { ...feed, onInterruption }, this.#stop.signal)) {
      this.revision = batch.revision
      this.changes += batch.changes.length
      this.last = batch.changes.at(-1)?.row ?? this.last
    }
  }

  async #log(): Promise<void> {
    for await (const page of node.admin.stream('ClusterService/Log', log, this.#stop.signal)) {
      this.entries += (page['entries'] as readonly unknown[]).length
      await sleep(10)
    }
  }

  async end(): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#running)
  }
}

test('100,000 changes flow by readers that do not read', async () => {
  const silent = Array.from({ length: SILENT_READERS }, (_, i) =>
    i % 2 === 0 ? open('ClusterService/FollowFeed', feed) : open('ClusterService/Log', log),
  )
  const followers = new Followers()
  let round = 0
  for (; round < ROUNDS; round++) await change(round)
  const stuck = performance.now()
  for (; performance.now() - stuck < SLOW_READER_MS; round++) {
    await change(round)
    await expectWell()
  }
  await expectWell()
  const { revision } = await node.admin.read({ kind: 'lb.member', project, pageSize: 1 })
  await vi.waitUntil(() => followers.revision >= revision, { timeout: 20_000 })
  await followers.end()
  expect(followers.interruptions).toEqual([])
  expect(followers.changes).toBeGreaterThan(LISTENERS * 10)
  expect(followers.entries).toBeGreaterThan(0)
  expect(JSON.stringify(followers.last)).toContain(round % 2 === 1 ? 'LEAST_CONNECTIONS' : 'ROUND_ROBIN')
  for (const { code, bytes } of await Promise.all(silent.map(drain))) {
    expect(code).toBe('OVERLOADED')
    expect(bytes).toBeLessThan(2 << 20)
  }
}, 240_000)
