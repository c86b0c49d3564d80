import { crc32 } from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { crc32c } from '../../domains/kernel/crc32c.ts'
import type { StoredEvent } from '../../domains/kernel/record.ts'
import { Registry } from '../../domains/kernel/registry.ts'
import kv from '../../domains/kv/index.ts'
import { scrub } from '../kernel/scrub.ts'
import { ProjectionStore } from '../kernel/store.ts'
import { keyHistory } from './key_history.ts'
import {
  type HashAnswer,
  KEY_HISTORY,
  type KeyQueries,
  type PastEventsAnswer,
  type PastRangeAnswer,
} from './queries.ts'
import type { Version } from './versions.ts'

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

  async hash(revision: number): Promise<HashAnswer> {
    return this.ask('hash', { revision })
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
      kvs: [{ key: 'a' }],
      next: 'b',
    })
    expect(histories.ask('count', { ...all, revision: 3 })).toEqual({ count: 3 })
    expect(() => keysAt(histories, 7)).toThrow('future revision')
  })

  it('shows as many keys as fit at once, and goes on from there', () => {
    const histories = new Histories()
    histories.take(...Array.from({ length: 2500 }, (_, i) => put(2, `k${i}`, 'x')))
    const shown: string[] = []
    const pages: number[] = []
    for (let from: string | undefined = 'k'; from !== undefined; ) {
      const page: PastRangeAnswer = histories.ask('range', { ...all, from, revision: 2 })
      shown.push(...page.kvs.map(({ key }) => key))
      pages.push(page.kvs.length)
      from = page.next
    }
    expect(pages).toEqual([1000, 1000, 500])
    expect(shown).toEqual(Array.from({ length: 2500 }, (_, i) => `k${i}`).toSorted())
  })

  it('tells what happened, with what was before', () => {
    const histories = filled()
    const { events, next } = histories.ask('events', {
      from: 'a',
      to: 'c',
      since: 3,
      sub: 0,
      until: 6,
      previous: true,
    })
    expect(events.map(({ type, kv, previous }) => [type, kv.key, kv.modRevision, previous?.value])).toEqual([
      ['put', 'b', 3, undefined],
      ['delete', 'a', 4, '1'],
      ['delete', 'b', 5, '1'],
      ['put', 'a', 6, undefined],
    ])
    expect(next).toBe(7)
  })

  describe('that is too large for one answer', () => {
    const answersOf = (histories: Histories, until: number): readonly PastEventsAnswer[] => {
      const answers: PastEventsAnswer[] = []
      for (let place = { next: 2, sub: 0 }; place.next <= until; ) {
        const { next: since, sub } = place
        const ask = { from: '\0', to: undefined, since, sub, until, previous: true }
        const answer = histories.ask('events', ask)
        answers.push(answer)
        place = answer
      }
      return answers
    }
    const shown = (answers: readonly PastEventsAnswer[]) =>
      answers.map(({ events, next, sub }) => [
        [...new Set(events.map(({ kv }) => kv.modRevision))],
        events.length,
        next,
        sub,
      ])

    it('parts a revision only where it alone is too large', () => {
      const histories = new Histories()
      histories.take(...Array.from({ length: 600 }, (_, i) => put(2, `k${i}`, 'x')))
      histories.take(...Array.from({ length: 2500 }, (_, i) => put(3, `k${i}`, 'x')))
      histories.take(['Deleted', { revision: 4, key: 'k', rangeEnd: 'l' }])
      histories.take(put(5, 'k', 'x'), put(5, 'l', 'x'))
      const answers = answersOf(histories, 5)
      expect(shown(answers)).toEqual([
        [[2], 600, 3, 0],
        [[3], 1000, 3, 1000],
        [[3], 1000, 3, 2000],
        [[3], 500, 4, 0],
        [[4], 1000, 4, 1000],
        [[4], 1000, 4, 2000],
        [[4], 500, 5, 0],
        [[5], 2, 6, 0],
      ])
      const deleted = answers.flatMap(({ events }) => events).filter(({ type }) => type === 'delete')
      expect(new Set(deleted.map(({ kv }) => kv.key)).size).toBe(2500)
      expect(deleted.every(({ previous }) => previous?.value === 'x')).toBe(true)
    })

    it('counts the bytes of what was before', () => {
      const histories = new Histories()
      for (const revision of [2, 3, 4]) histories.take(put(revision, `k${revision}`, 'x'.repeat(600_000)))
      histories.take(['Deleted', { revision: 5, key: 'k', rangeEnd: 'l' }])
      expect(shown(answersOf(histories, 5))).toEqual([
        [[2, 3], 2, 4, 0],
        [[4], 1, 5, 0],
        [[5], 2, 5, 2],
        [[5], 1, 6, 0],
      ])
    })
  })

  it('tells nothing of a time that it does not have yet: what comes of it would be missed', () => {
    const ask = { from: '\0', to: undefined, since: 2, sub: 0, previous: false }
    expect(filled().ask('events', { ...ask, until: 6 }).events).toHaveLength(7)
    expect(() => filled().ask('events', { ...ask, until: 7 })).toThrow('does not have 7 yet')
  })

  it('forgets what is compacted, and that alone', () => {
    const histories = filled()
    histories.take(['Compacted', { revision: 4 }])
    expect(() => keysAt(histories, 3)).toThrow('compacted')
    expect(keysAt(histories, 4)).toEqual(['b1', 'c1'])
    expect(keysAt(histories, 6)).toEqual(['a2'])
    const ask = { from: '\0', to: undefined, sub: 0, until: 6, previous: false }
    expect(() => histories.ask('events', { ...ask, since: 3 })).toThrow('compacted')
    expect(histories.ask('events', { ...ask, since: 4 }).events[0]).toMatchObject({
      type: 'delete',
      kv: { key: 'a' },
    })
  })

  it('is the same for the same history, and goes on ahead after a restore', async () => {
    const one = filled()
    const other = filled()
    expect(one.digest).toBe(other.digest)
    const { hash } = await one.hash(5)
    expect((await other.hash(5)).hash).toBe(hash)
    one.restore()
    expect(one.ask('progress', {})).toMatchObject({ revision: 1_000_000_006, compacted: 1_000_000_006 })
    expect(keysAt(one, 1_000_000_006)).toEqual(['a2'])
    expect(one.digest).not.toBe(other.digest)
  })

  it('is hashed as it was written down', async () => {
    const histories = new Histories()
    const values = ['', 'x', '\0\0', '\xff\0\x80', '5 +', 'v'.repeat(500_000)]
    for (let revision = 2; revision < 40; revision++) {
      const puts = Array.from({ length: 70 }, (_, sub) => {
        const at = revision * 70 + sub
        const value = values[at % (revision > 30 ? 6 : 5)] ?? ''
        return put(revision, `k\0${at % 300}\xe4`, value, at % 3 ? '0' : String(at))
      })
      histories.take(...puts)
    }
    histories.take(['Deleted', { revision: 40, key: 'k', rangeEnd: 'l' }])
    for (const revision of [1, 2, 20, 39, 40]) {
      const { hash } = await histories.hash(revision)
      expect(hash).toBe(plainHash(histories, revision))
    }
  })

  it('is hashed anew when it is compacted meanwhile', async () => {
    const histories = new Histories()
    for (let revision = 2; revision < 5000; revision++) histories.take(put(revision, 'k', 'x'))
    const hashing = histories.hash(4999)
    await new Promise((resolve) => setImmediate(resolve))
    histories.take(['Compacted', { revision: 4000 }])
    const { hash, compacted } = await hashing
    expect([hash, compacted]).toEqual([plainHash(histories, 4999), 4000])
  })

  it('notices a row that is not what was written', () => {
    const histories = filled()
    const damaged = () => [...scrubbed(histories)]
    expect(damaged()).toEqual([])
    histories.store.database.exec("UPDATE key_version SET value = x'00' WHERE revision = 6")
    expect(damaged()).toEqual([KEY_HISTORY])
  })
})

/** Over all versions up to a revision, one by one. */
function plainHash({ store }: Histories, revision: number): number {
  let hash = 0
  const rows = store.database
    .prepare('SELECT * FROM key_version WHERE revision <= ? ORDER BY revision, sub')
    .all(revision) as unknown as readonly Version[]
  for (const row of rows) {
    const { revision: at, sub, create_revision, version, lease, key, value } = row
    const head = `${at} ${sub} ${create_revision} ${version} ${lease} ${value === null ? '-' : '+'}`
    hash = crc32c(Buffer.concat([Buffer.from(head), key, value ?? Buffer.alloc(0)]), hash)
  }
  return hash
}

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
