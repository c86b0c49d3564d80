import { expect, it } from 'vitest'
import { Heartbeats } from '../domains/kernel/heartbeats.ts'
import { whenRealized } from './realized.ts'

const beatOf = (realizer: string, realizedRevision: number, history = 'now') => ({
  realizer,
  realizedRevision,
  history,
})

it('waits for every realizer’s word, and takes it as soon as it is there', async () => {
  const heartbeats = new Heartbeats(Date.now)
  heartbeats.record(beatOf('dns/one', 7))
  const waiting = whenRealized({ heartbeats, history: 'now' }, ['dns/one', 'host/a'], 7, 60_000)
  heartbeats.record(beatOf('host/a', 6))
  heartbeats.record(beatOf('host/a', 7))
  await waiting
  await whenRealized({ heartbeats, history: 'now' }, ['dns/one', 'host/a'], 7, 1)
  await whenRealized({ heartbeats, history: 'now' }, [], 100, 1)
})

it('a cursor of another history is no word of this one', async () => {
  const heartbeats = new Heartbeats(Date.now)
  heartbeats.record(beatOf('dns/one', 100, 'before'))
  const waiting = whenRealized({ heartbeats, history: 'now' }, ['dns/one', 'dns/two'], 7, 20)
  await expect(waiting).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: expect.stringContaining(
      'dns/one is at 100 of another history, dns/two is at no revision it has told',
    ),
  })
})
