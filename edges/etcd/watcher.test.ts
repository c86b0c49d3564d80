import { expect, it } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
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
