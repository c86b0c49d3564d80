import fc from 'fast-check'
import { expect, it } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { PastEvents, PastEventsAnswer } from '../../projections/keys/queries.ts'
import type { Member } from './member.ts'
import type { WatchHub } from './watch_hub.ts'
import { Watcher, type WatcherPorts } from './watcher.ts'

const spec = { from: 'k', to: 'l', startRevision: 2, previous: false, without: new Set<'put' | 'delete'>() }

/** A watcher that lags, whose read of the history fails as soon as `fail` is called; and what it said. */
function lagging() {
  const said: string[] = []
  const reading = Promise.withResolvers<never>()
  const member = { ask: () => reading.promise } as unknown as Member
  const hub = { revision: 9, compacted: -1, subscribe: () => () => undefined } as unknown as WatchHub
  const ports: WatcherPorts = {
    send: async () => undefined,
    compacted: async (revision) => void said.push(`compacted ${revision}`),
    failed: (error) => void said.push(String(error)),
  }
  const watcher = new Watcher(spec, member, hub, ports)
  watcher.start()
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  return {
    watcher,
    said,
    fail: (error: Error): Promise<void> => {
      reading.reject(error)
      return settled()
    },
  }
}

const compacted = new Rejection('REVISION_COMPACTED', 'it is compacted', { compacted: 5 })

it('says what is compacted when the history has heard of it before the state', async () => {
  const { said, fail } = lagging()
  await fail(compacted)
  expect(said).toEqual(['compacted 5'])
})

it.each([compacted, new Error('the history is gone')])(
  'that has ended says nothing of what it had still asked for: %s',
  async (error) => {
    const { watcher, said, fail } = lagging()
    watcher.end()
    await fail(error)
    expect(said).toEqual([])
  },
)

/** What a history of changes, each of a revision, is told as that is read so many at a time. */
async function toldOf(revisions: readonly number[], atOnce: number): Promise<readonly number[][]> {
  const changes = revisions.map((revision, at) => {
    const kv = {
      key: `k${at}`,
      value: '',
      createRevision: revision,
      modRevision: revision,
      version: 1,
      lease: '0',
    }
    return { type: 'put' as const, kv, previous: undefined }
  })
  const until = Math.max(...revisions)
  const ask = async (_: string, { since }: PastEvents): Promise<PastEventsAnswer> => {
    const after = changes.findIndex(({ kv }) => kv.modRevision >= since.revision)
    const from = since.sub > 0 ? since.sub - 1 : after < 0 ? changes.length : after
    const next = changes[from + atOnce]
    const beyond = { revision: until + 1, sub: 0 }
    return {
      events: changes.slice(from, from + atOnce),
      next: next === undefined ? beyond : { revision: next.kv.modRevision, sub: from + atOnce + 1 },
    }
  }
  const member = { ask } as unknown as Member
  const hub = { revision: until, compacted: -1, subscribe: () => () => undefined } as unknown as WatchHub
  const told: number[][] = []
  const ports: WatcherPorts = {
    send: async (_, events) => void told.push(events.map(({ kv }) => kv.modRevision)),
    compacted: async () => undefined,
    failed: (error) => void told.push([Number.NaN, String(error).length]),
  }
  const watcher = new Watcher(spec, member, hub, ports)
  watcher.start()
  await watcher.reached(until)
  return told
}

it('puts a revision together that the history tells in parts, whatever they are, and sends none twice', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 6 }),
      fc.integer({ min: 1, max: 8 }),
      async (sizes, atOnce) => {
        const revisions = sizes.flatMap((size, at) => Array<number>(size).fill(2 + at))
        const told = await toldOf(revisions, atOnce)
        expect(told.flat()).toEqual(revisions)
        for (const [at, sent] of told.entries()) expect(sent[0]).not.toBe(told[at - 1]?.at(-1))
      },
    ),
    { numRuns: 500 },
  )
})
