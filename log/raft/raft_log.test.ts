import { describe, expect, test } from 'vitest'
import type { Write } from './effects.ts'
import { RaftLog } from './raft_log.ts'
import type { Entry, LogView } from './types.ts'

function entry(index: number, term: number, bytes = 1): Entry {
  return { index, term, kind: 'data', payload: new Uint8Array(bytes) }
}

/** A log stored with these terms. */
function stored(...terms: readonly number[]): {
  log: RaftLog
  entries: Entry[]
  store: (write: Write) => void
} {
  const entries = terms.map((term, position) => entry(position + 1, term))
  const view: LogView = {
    lastIndex: () => entries.length,
    termAt: (index) => (index === 0 ? 0 : (entries[index - 1]?.term ?? -1)),
    entries: (from, to) => entries.slice(from - 1, to),
  }
  const store = (write: Write): void => {
    if (write.truncateFrom !== 0) entries.length = write.truncateFrom - 1
    entries.push(...write.entries)
  }
  return { log: new RaftLog(view, 0), entries, store }
}

function take(log: RaftLog, term: number): Write {
  const write = log.takeWrite(term, null, false)
  if (write === null) throw new RangeError('nothing to write')
  return write
}

describe('completions of storage', () => {
  test('a write of entries that were replaced since vouches for none of the new ones (ABA)', () => {
    const { log, store } = stored(1)
    log.append([entry(2, 1)])
    const first = take(log, 1)
    log.truncateFrom(2)
    log.append([entry(2, 2)])
    const second = take(log, 2)
    log.truncateFrom(2)
    log.append([entry(2, 1 + 2)])
    const third = take(log, 3)
    store(first)
    log.persisted(first)
    expect(log.stableIndex).toBe(1)
    store(second)
    log.persisted(second)
    expect(log.stableIndex).toBe(1)
    store(third)
    log.persisted(third)
    expect(log.stableIndex).toBe(2)
    expect(log.termAt(2)).toBe(3)
  })

  test('what a write still holds after a cut becomes stable', () => {
    const { log, store } = stored()
    log.append([entry(1, 1), entry(2, 1), entry(3, 1)])
    const first = take(log, 1)
    log.truncateFrom(3)
    log.append([entry(3, 2)])
    store(first)
    log.persisted(first)
    expect(log.stableIndex).toBe(2)
    expect(take(log, 2)).toMatchObject({ truncateFrom: 3, lastIndex: 3, entries: [{ index: 3, term: 2 }] })
  })

  test('come in order, each once', () => {
    const { log } = stored()
    log.append([entry(1, 1)])
    const first = take(log, 1)
    log.append([entry(2, 1)])
    const second = take(log, 1)
    expect(() => log.persisted(second)).toThrow('out of order')
    expect(() => log.persisted(first)).toThrow('out of order')
  })

  test('one that nobody waits for is refused', () => {
    const { log } = stored()
    const write = {
      sequence: 1,
      term: 1,
      lastIndex: 0,
      hardState: null,
      truncateFrom: 0,
      becomesVoter: false,
      entries: [],
    }
    expect(() => log.persisted(write)).toThrow('was not under way')
  })
})

describe('Follower truncation', () => {
  test('entries that storage does not know of are dropped without a trace', () => {
    const { log } = stored(1)
    log.append([entry(2, 1), entry(3, 1)])
    log.truncateFrom(3)
    log.append([entry(3, 2)])
    expect(take(log, 2)).toMatchObject({ truncateFrom: 0, entries: [{ index: 2 }, { index: 3, term: 2 }] })
  })

  test('the lowest of several cuts is the one that is stored', () => {
    const { log } = stored(1, 1, 1, 1)
    log.truncateFrom(4)
    log.append([entry(4, 2)])
    log.truncateFrom(2)
    log.append([entry(2, 3)])
    expect(take(log, 3)).toMatchObject({ truncateFrom: 2, lastIndex: 2, entries: [{ index: 2, term: 3 }] })
  })

  test('at or below the commit index stops the member', () => {
    const { log } = stored(1, 1)
    log.commitTo(2)
    expect(() => log.truncateFrom(2)).toThrow('would lose what is committed')
  })

  test('terms are known right after it, wherever the entries are', () => {
    const { log } = stored(1, 2, 2, 4)
    log.truncateFrom(4)
    expect(log.lastTerm).toBe(2)
    log.append([entry(4, 5), entry(5, 6)])
    expect([0, 1, 2, 3, 4, 5].map((index) => log.termAt(index))).toEqual([0, 1, 2, 2, 5, 6])
    log.truncateFrom(2)
    expect(log.lastTerm).toBe(1)
  })
})

describe('order', () => {
  test('a hole is refused', () => {
    expect(() => stored(1).log.append([entry(3, 1)])).toThrow('does not follow')
  })

  test('a term that falls is refused', () => {
    expect(() => stored(2).log.append([entry(2, 1)])).toThrow('has a term below')
  })

  test('the commit index never falls, nor passes the end', () => {
    const { log } = stored(1, 1)
    log.commitTo(2)
    log.commitTo(1)
    expect(log.commitIndex).toBe(2)
    expect(() => log.commitTo(3)).toThrow('cannot commit 3')
  })

  test('nothing is applied before it is committed and durable, nor twice', () => {
    const { log } = stored(1)
    log.append([entry(2, 1)])
    log.commitTo(2)
    expect(() => log.appliedTo(2)).toThrow('only 1 was deliverable')
    log.appliedTo(1)
    expect(() => log.appliedTo(0)).toThrow('fell from 1 to 0')
  })

  test('a checkpoint past the end of the log is refused', () => {
    const view: LogView = { lastIndex: () => 1, termAt: (index) => index, entries: () => [] }
    expect(() => new RaftLog(view, 2)).toThrow('outside the stored log')
    expect(new RaftLog(view, 1).commitIndex).toBe(1)
  })
})

describe('Conflict hint: where logs may meet', () => {
  const { log } = stored(1, 1, 1, 3, 3, 5)

  test.each([
    [6, 5, 6],
    [6, 4, 5],
    [6, 2, 3],
    [2, 9, 2],
    [99, 9, 6],
    [6, 0, 0],
  ])('up to %i with terms up to %i: %i', (index, term, expected) => {
    expect(log.findConflictByTerm(index, term)).toBe(expected)
  })
})

describe('entries to send', () => {
  test('come from storage and memory without a seam', () => {
    const { log } = stored(1, 1)
    log.append([entry(3, 1), entry(4, 1)])
    expect(log.entriesFrom(2, 100).map(({ index }) => index)).toEqual([2, 3, 4])
    expect(log.entriesFrom(4, 100).map(({ index }) => index)).toEqual([4])
    expect(log.entriesFrom(5, 100)).toEqual([])
  })

  test('keep to the bound of bytes, one at least', () => {
    const { log } = stored()
    log.append([entry(1, 1, 10), entry(2, 1, 10), entry(3, 1, 10)])
    expect(log.entriesFrom(1, 20)).toHaveLength(2)
    expect(log.entriesFrom(1, 5)).toHaveLength(1)
  })
})

describe('whose log is newer', () => {
  const { log } = stored(1, 2)

  test.each([
    [2, 2, true],
    [3, 2, true],
    [1, 3, true],
    [1, 2, false],
    [9, 1, false],
  ])('last %i of term %i is up to date: %s', (lastIndex, lastTerm, expected) => {
    expect(log.isUpToDate(lastIndex, lastTerm)).toBe(expected)
  })
})
