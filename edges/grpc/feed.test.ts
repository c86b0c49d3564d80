import { Client, credentials, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, it, onTestFinished } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { FeedBatch, FeedRequest } from '../control_plane.ts'
import { grpcEdge } from '../testing/edge.ts'
import { HISTORY, TOKEN } from '../testing/fake_control_plane.ts'
import { until } from '../testing/until.ts'
import { followFeed } from './follow_feed.ts'
import { fromServiceError } from './status.ts'

const subscription = {
  projection: 'zones',
  slice: '',
  fromRevision: 0,
  history: '',
  backoffMilliseconds: { first: 1, maximum: 10 },
}

function batch(revision: number, more: Partial<FeedBatch> = {}): FeedBatch {
  const changes = [{ key: `k${revision}`, row: { revision } }]
  return { history: HISTORY, revision, snapshot: false, changes, ...more }
}

/** Follows until `count` batches were seen. */
async function take(batches: AsyncIterable<FeedBatch>, count: number): Promise<FeedBatch[]> {
  const seen: FeedBatch[] = []
  for await (const each of batches) {
    seen.push(each)
    if (seen.length === count) break
  }
  return seen
}

function forever(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })
}

describe('a feed', () => {
  it('gives batches as they were, also those that need many messages', async () => {
    const { control, client } = await grpcEdge()
    const row = { text: 'x'.repeat(1000), nested: [null, 1.5, { é: true }] }
    const changes = Array.from({ length: 1000 }, (_, n) => ({ key: `k${n}`, row: n % 10 === 0 ? null : row }))
    control.feedSource = async function* (_, signal) {
      yield batch(5, { snapshot: true, changes })
      yield batch(6, { changes: [] })
      await forever(signal)
    }
    const seen = await take(followFeed(client(), subscription, new AbortController().signal), 2)
    expect(seen).toEqual([batch(5, { snapshot: true, changes }), batch(6, { changes: [] })])
  })

  it('gives a batch whole that comes in parts', async () => {
    const { control, client } = await grpcEdge()
    control.feedSource = async function* (_, signal) {
      yield batch(5, { snapshot: true, more: true })
      yield batch(5, { snapshot: true, changes: [{ key: 'last', row: {} }], more: false })
      await forever(signal)
    }
    const [seen] = await take(followFeed(client(), subscription, new AbortController().signal), 1)
    expect(seen?.changes.map(({ key }) => key)).toEqual(['k5', 'last'])
    expect(seen).toMatchObject({ revision: 5, snapshot: true })
  })

  it('resumes from the last revision seen after an interruption', async () => {
    const { control, client } = await grpcEdge()
    control.feedSource = async function* ({ fromRevision }) {
      if (fromRevision === 0) yield batch(1, { snapshot: true })
      else yield batch(fromRevision + 1)
      throw new Rejection('UNAVAILABLE', 'the projection is being rebuilt')
    }
    const interruptions: string[] = []
    const onInterruption = ({ code }: Rejection): void => {
      interruptions.push(code)
    }
    const batches = followFeed(client(), { ...subscription, onInterruption }, new AbortController().signal)
    expect((await take(batches, 3)).map(({ revision }) => revision)).toEqual([1, 2, 3])
    expect(control.feeds.map(({ fromRevision, history }) => ({ fromRevision, history }))).toEqual([
      { fromRevision: 0, history: '' },
      { fromRevision: 1, history: HISTORY },
      { fromRevision: 2, history: HISTORY },
    ])
    expect(interruptions).toEqual(['UNAVAILABLE', 'UNAVAILABLE'])
  })

  it.each(['HISTORY_MISMATCH', 'REVISION_COMPACTED'] as const)('asks for a snapshot on %s', async (code) => {
    const { control, client } = await grpcEdge()
    control.feedSource = async function* ({ fromRevision }) {
      if (fromRevision > 0) throw new Rejection(code, 'that is gone')
      yield batch(2, { snapshot: true, history: 'history-2' })
    }
    const kept = { ...subscription, fromRevision: 90, history: HISTORY }
    const [first] = await take(followFeed(client(), kept, new AbortController().signal), 1)
    expect(first).toMatchObject({ revision: 2, snapshot: true, history: 'history-2' })
    expect(control.feeds.map(({ fromRevision }: FeedRequest) => fromRevision)).toEqual([90, 0])
  })

  it('does not take changes of another history for its own', async () => {
    const { control, client } = await grpcEdge()
    control.feedSource = async function* ({ fromRevision }) {
      if (fromRevision > 0) yield batch(91, { history: 'history-2' })
      else yield batch(91, { history: 'history-2', snapshot: true })
    }
    const kept = { ...subscription, fromRevision: 90, history: HISTORY }
    const [first] = await take(followFeed(client(), kept, new AbortController().signal), 1)
    expect(first).toMatchObject({ snapshot: true, history: 'history-2' })
  })

  it.each(['PERMISSION_DENIED', 'NOT_FOUND'] as const)('ends on %s: waiting would not help', async (code) => {
    const { control, client } = await grpcEdge()
    control.feedSource = async function* () {
      yield batch(1, { snapshot: true })
      throw new Rejection(code, 'no')
    }
    const batches = followFeed(client(), subscription, new AbortController().signal)
    await expect(take(batches, 9)).rejects.toMatchObject({ code })
  })

  it('ends when its follower stops, and the source with it', async () => {
    const { control, client } = await grpcEdge()
    let released = false
    control.feedSource = async function* (_, signal) {
      try {
        yield batch(1, { snapshot: true })
        await forever(signal)
      } finally {
        released = true
      }
    }
    const stop = new AbortController()
    const seen: number[] = []
    const following = (async () => {
      for await (const { revision } of followFeed(client(), subscription, stop.signal)) seen.push(revision)
    })()
    await until('the snapshot is seen', () => seen.length === 1)
    stop.abort()
    await following
    await until('the source is released', () => released)
  })
})

describe('a reader that stops reading', () => {
  it('holds its source back, and is given up with a clear code after the bound', async () => {
    const { address, control, api } = await grpcEdge({ slowReaderMilliseconds: 200 })
    const text = 'x'.repeat(64 * 1024)
    let pulled = 0
    let released = false
    control.feedSource = async function* () {
      try {
        for (let revision = 1; revision < 10_000; revision += 1) {
          pulled += 1
          yield batch(revision, { changes: [{ key: 'k', row: { text } }] })
        }
      } finally {
        released = true
      }
    }
    const client = new Client(address, credentials.createInsecure())
    onTestFinished(() => client.close())
    const { path, types } = api.method('ClusterService/FollowFeed')
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${TOKEN}`)
    const identity = (bytes: Buffer): Buffer => bytes
    const request = api.codec.encode(types.request, { projection: 'zones' })
    const call = client.makeServerStreamRequest(path, identity, identity, request, metadata)
    const ended = new Promise<ServiceError>((resolve) => {
      call.on('error', (error) => resolve(error as ServiceError))
    })
    call.once('data', () => call.pause())
    await until('the source is released', () => released)
    expect(pulled).toBeLessThan(200)
    call.resume()
    const error = await ended
    expect(error.code).toBe(status.RESOURCE_EXHAUSTED)
    expect(fromServiceError(error)).toMatchObject({ code: 'OVERLOADED' })
  })
})
