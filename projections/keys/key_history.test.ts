import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../domains/kernel/crc32c.ts'
import type { StoredEvent } from '../../domains/kernel/record.ts'
import { Registry } from '../../domains/kernel/registry.ts'
import kv from '../../domains/kv/index.ts'
import { scrub } from '../kernel/scrub.ts'
import { ProjectionStore } from '../kernel/store.ts'
import { keyHistory } from './key_history.ts'
import { type Change, KEY_HISTORY, type KeyQueries } from './queries.ts'

const startOf = (revision: number): Change => ({ revision, sub: 0 })

class Histories {
  readonly store = new ProjectionStore(':memory:', new Registry([kv]), [], [keyHistory])
  #index = 0

  take(...events: readonly [name: string, data: Record<string, unknown>][]): void {
    const stored = events.map(([name, data]): StoredEvent => ({ type: `kv.${name}`, version: 1, data }))
    const record = {
      kind: 'decision',
      time: 1,
      command: 'kv.Txn',
      request: {},
      commandId: '',
      actor: 'process:test',
      actorKind: 'process',
      cause: '',
      result: {},
      events: stored,
    } as const
    this.store.apply([{ revision: ++this.#index, record }])
  }

  restore(): void {
    const record = { kind: 'history', time: 1, history: 'new', parent: 'old', parentRevision: 1 } as const
    this.store.apply([{ revision: ++this.#index, record }])
  }

  ask<Q extends keyof KeyQueries>(query: Q, ask: KeyQueries[Q]['ask']): KeyQueries[Q]['answer'] {
    return this.store.eventProjections.get(KEY_HISTORY)?.answer(query, ask) as KeyQueries[Q]['answer']
  }

  get digest(): string | undefined {
    return this.store.digests.find(({ projection }) => projection === KEY_HISTORY)?.digest
  }
}

const put = (
  revision: number,
  key: string,
  value: string,
  lease = '0',
): [string, Record<string, unknown>] => [
  'Put',
  { revision, key, value, createRevision: revision, version: 1, lease },
]
const all = { from: '\0', to: undefined, limit: undefined }

function filled(): Histories {
  const histories = new Histories()
  histories.take(put(2, 'a', '1'))
  histories.take(put(3, 'b', '1', '5'), put(3, 'c', '1', '5'))
  histories.take(['Deleted', { revision: 4, key: 'a', rangeEnd: '' }])
  histories.take(['LeaseRevoked', { revision: 5, id: '5' }])
  histories.take(put(6, 'a', '2'))
  return histories
}

const keysAt = (histories: Histories, revision: number) =>
  histories.ask('range', { ...all, revision }).kvs.map(({ key, value }) => key + value)

describe('the history of keys', () => {
  it('shows any revision', () => {
    const histories = filled()
    expect(keysAt(histories, 1)).toEqual([])
    expect(keysAt(histories, 3)).toEqual(['a1', 'b1', 'c1'])
    expect(keysAt(histories, 4)).toEqual(['b1', 'c1'])
    expect(keysAt(histories, 5)).toEqual([])
    expect(keysAt(histories, 6)).toEqual(['a2'])
    expect(histories.ask('range', { ...all, revision: 3, limit: 1 })).toMatchObject({
      count: 3,
      kvs: [{ key: 'a' }],
    })
    expect(() => keysAt(histories, 7)).toThrow('future revision')
  })

  it('tells what happened, with what was before', () => {
    const histories = filled()
    const { events, next } = histories.ask('events', {
      from: 'a',
      to: 'c',
      since: startOf(3),
      until: 6,
      previous: true,
    })
    expect(events.map(({ type, kv, previous }) => [type, kv.key, kv.modRevision, previous?.value])).toEqual([
      ['put', 'b', 3, undefined],
      ['delete', 'a', 4, '1'],
      ['delete', 'b', 5, '1'],
      ['put', 'a', 6, undefined],
    ])
    expect(next).toEqual(startOf(7))
  })

  it('tells as much at once as fits, and goes on with the next change, also within a revision', () => {
    const histories = new Histories()
    histories.take(...Array.from({ length: 2500 }, (_, i) => put(2, `k${i}`, 'x')))
    histories.take(put(3, 'k', 'x'), put(3, 'l', 'x'))
    const ask = { from: 'k', to: 'l', until: 3, previous: false }
    const told: string[] = []
    const starts: Change[] = []
    for (let since = startOf(2); since.revision <= 3; ) {
      const { events, next } = histories.ask('events', { ...ask, since })
      told.push(...events.map(({ kv }) => `${kv.key}@${kv.modRevision}`))
      starts.push((since = next))
    }
    expect(told).toEqual([...Array.from({ length: 2500 }, (_, i) => `k${i}@2`), 'k@3'])
    expect(starts).toEqual([{ revision: 2, sub: 1000 }, { revision: 2, sub: 2000 }, startOf(4)])
  })

  it('tells nothing of a time that it does not have yet: what comes of it would be missed', () => {
    const ask = { from: '\0', to: undefined, since: startOf(2), previous: false }
    expect(filled().ask('events', { ...ask, until: 6 }).events).toHaveLength(7)
    expect(() => filled().ask('events', { ...ask, until: 7 })).toThrow('does not have 7 yet')
  })

  it('forgets what is compacted, and that alone', () => {
    const histories = filled()
    histories.take(['Compacted', { revision: 4 }])
    expect(() => keysAt(histories, 3)).toThrow('compacted')
    expect(keysAt(histories, 4)).toEqual(['b1', 'c1'])
    expect(keysAt(histories, 6)).toEqual(['a2'])
    const ask = { from: '\0', to: undefined, until: 6, previous: false }
    expect(() => histories.ask('events', { ...ask, since: startOf(3) })).toThrow('compacted')
    expect(histories.ask('events', { ...ask, since: startOf(4) }).events[0]).toMatchObject({
      type: 'delete',
      kv: { key: 'a' },
    })
  })

  it('is the same for the same history, and goes on ahead after a restore', () => {
    const one = filled()
    const other = filled()
    expect(one.digest).toBe(other.digest)
    const { hash } = one.ask('hash', { revision: 5 })
    expect(other.ask('hash', { revision: 5 }).hash).toBe(hash)
    one.restore()
    expect(one.ask('progress', {})).toMatchObject({ revision: 1_000_000_006, compacted: 1_000_000_006 })
    expect(keysAt(one, 1_000_000_006)).toEqual(['a2'])
    expect(one.digest).not.toBe(other.digest)
  })

  it('notices a row that is not what was written', () => {
    const histories = filled()
    const damaged = () => [...scrubbed(histories)]
    expect(damaged()).toEqual([])
    histories.store.database.exec("UPDATE key_version SET value = x'00' WHERE revision = 6")
    expect(damaged()).toEqual([KEY_HISTORY])
  })
})

function scrubbed({ store }: Histories): readonly string[] {
  const steps = scrub(store)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

it('computes CRC-32C, not CRC-32', () => {
  const bytes = Buffer.from('123456789')
  expect(crc32c(bytes)).toBe(0xe3069283)
  expect(crc32c(bytes.subarray(4), crc32c(bytes.subarray(0, 4)))).toBe(0xe3069283)
  expect(crc32(bytes)).not.toBe(crc32c(bytes))
})
