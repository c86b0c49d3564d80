import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { checkLinearizability, checkPart } from './check.ts'
import type { Model, Operation } from './history.ts'
import { linearize } from './linearize.ts'
import { type KvOperation, type KvOutput, txn } from './operations.ts'
import { partition } from './partition.ts'
import { shrink } from './shrink.ts'
import { historyArbitrary, isLinearizableByForce, mutatedArbitrary } from './testing.ts'

const LIMITS = { milliseconds: 10_000, states: 1_000_000 }
const NEVER = Number.POSITIVE_INFINITY

/** A register that holds a number, 0 at first: what the literature's histories are about. */
type RegisterInput = { readonly write: number } | 'read'
const register: Model<number, RegisterInput, number> = {
  initial: 0,
  step: (state, { input, output }) => {
    if (input !== 'read') return [input.write]
    return output === state ? [state] : []
  },
  key: String,
}

const write = (id: number, value: number, call: number, end: number): Operation<RegisterInput, number> => ({
  id,
  client: id,
  call,
  end,
  input: { write: value },
  output: end === NEVER ? undefined : 0,
})
const read = (id: number, value: number, call: number, end: number): Operation<RegisterInput, number> => ({
  id,
  client: id,
  call,
  end,
  input: 'read',
  output: value,
})

describe('registers', () => {
  it.each<[string, boolean, Operation<RegisterInput, number>[]]>([
    ['nothing happened', true, []],
    // Herlihy and Wing, figure 1 and the like: overlapping operations may take effect in either order, but in one.
    [
      'reads beside a write see it or not',
      true,
      [write(0, 1, 0, 100), read(1, 1, 10, 20), read(2, 1, 30, 40)],
    ],
    [
      'a read goes back behind an earlier one',
      false,
      [write(0, 1, 0, 100), read(1, 1, 10, 20), read(2, 0, 30, 40)],
    ],
    [
      'a read overlaps the one that saw the write',
      true,
      [write(0, 1, 0, 100), read(1, 1, 10, 30), read(2, 0, 25, 40)],
    ],
    ['a read after a write does not see it', false, [write(0, 1, 0, 10), read(1, 0, 20, 30)]],
    // porcupine's README: put 100 over [0, 10], get 100 over [5, 8] and, overlapping, a get of 0 over [2, 7]; the other way round it is not.
    ['porcupine, good', true, [write(0, 100, 0, 10), read(1, 0, 2, 7), read(2, 100, 5, 8)]],
    ['porcupine, bad', false, [write(0, 200, 0, 10), read(1, 200, 1, 3), read(2, 0, 4, 6)]],
    [
      'two orders at once',
      false,
      [write(0, 1, 0, 10), write(1, 2, 0, 10), read(2, 1, 20, 30), read(3, 2, 40, 50)],
    ],
    ['a write nobody made', false, [write(0, 1, 0, 10), read(1, 3, 5, 30)]],
    [
      'a write without an answer takes effect late',
      true,
      [write(0, 1, 0, NEVER), read(1, 0, 10, 20), read(2, 1, 30, 40)],
    ],
    [
      'a write without an answer takes effect never',
      true,
      [write(0, 1, 0, NEVER), read(1, 0, 10, 20), read(2, 0, 30, 40)],
    ],
    [
      'a write without an answer takes effect twice',
      false,
      [
        write(0, 1, 0, NEVER),
        write(1, 2, 5, 6),
        read(2, 1, 10, 20),
        write(3, 2, 25, 30),
        read(4, 2, 31, 32),
        read(5, 1, 40, 50),
      ],
    ],
    [
      'a write without an answer takes effect before its call',
      false,
      [read(0, 1, 0, 10), write(1, 1, 20, NEVER)],
    ],
    ['what touches overlaps', true, [write(0, 1, 0, 10), read(1, 0, 10, 20)]],
  ])('%s', (_, good, history) => {
    expect(linearize(register, history, LIMITS).outcome).toBe(good ? 'linearizable' : 'violation')
  })

  it('many writes without an answer do not make it slow when they are not needed', () => {
    const history = Array.from({ length: 400 }, (_, at) =>
      at % 4 === 0
        ? write(at, at, at, NEVER)
        : at % 2 === 1
          ? write(at, 1, at, at + 0.5)
          : read(at, 1, at, at + 0.5),
    )
    expect(linearize(register, history, { milliseconds: 10_000, states: 10_000 }).outcome).toBe(
      'linearizable',
    )
  })

  it('says that it does not know when it may not look further', () => {
    const history = [...Array.from({ length: 14 }, (_, at) => write(at, at, 0, NEVER)), read(14, 99, 10, 20)]
    expect(linearize(register, history, { milliseconds: 10_000, states: 1000 }).outcome).toBe('unknown')
    expect(linearize(register, history, { milliseconds: 0, states: 1e9 }).outcome).toBe('unknown')
  })
})

describe('keys, revisions and leases', () => {
  it.each([['usual', 300] as const, ['silent', 3000] as const])(
    'accepts what a store has answered, whatever got lost (%s)',
    (kind, numRuns) => {
      fc.assert(
        fc.property(historyArbitrary(30, kind), (history) => {
          expect(checkPart(history, LIMITS).outcome).toBe('linearizable')
        }),
        { numRuns },
      )
    },
  )

  it('accepts an answer that several without an answer explain together, which do not bear on each other', () => {
    const silent = (id: number, key: string): KvOperation => {
      const input = txn([{ kind: 'delete', key, previous: false }])
      return { id, client: id, call: 5, end: NEVER, input, output: undefined }
    }
    const nothing = asked(20, txn([{ kind: 'get', key: 'g/', end: 'g0' }]), {
      kind: 'txn',
      revision: 9,
      succeeded: true,
      answers: [{ kind: 'get', found: [] }],
    })
    const keys = ['g/a', 'g/b', 'g/c', 'g/d', 'g/e']
    const puts = keys.map((key, at) => put(0, key, `v${at}`, 2 + at))
    const deletes = keys.map((key, at) => silent(-1 - at, key))
    expect(checkPart([...puts, ...deletes, nothing], LIMITS).outcome).toBe('linearizable')
    expect(checkPart([...puts, ...deletes.slice(1), nothing], LIMITS).outcome).toBe('violation')
  })

  it('agrees with trying every order, on histories with a wrong answer', () => {
    const counts = { wrong: 0, right: 0, missed: 0 }
    fc.assert(
      fc.property(mutatedArbitrary(6), (history) => {
        const isGood = isLinearizableByForce(history)
        const { outcome } = checkPart(history, LIMITS)
        if (isGood) expect(outcome).toBe('linearizable')
        // Where nobody was shown a revision, the model is content with any.
        const isWhole = history.every(({ output }) => output !== undefined)
        if (!isGood && isWhole) expect(outcome).toBe('violation')
        counts[isGood ? 'right' : 'wrong'] += 1
        if (!isGood && outcome === 'linearizable') counts.missed += 1
      }),
      { numRuns: 5000 },
    )
    expect(counts.wrong).toBeGreaterThan(200)
    expect(counts.right).toBeGreaterThan(200)
    expect(counts.missed).toBeLessThan(counts.wrong / 50)
  })

  it('a shrunk history is wrong still, and no longer', () => {
    const isWrong = (history: readonly KvOperation[]): boolean =>
      checkPart(history, LIMITS).outcome === 'violation'
    let seen = 0
    fc.assert(
      fc.property(mutatedArbitrary(15), (history) => {
        if (!isWrong(history)) return
        seen += 1
        const small = shrink(history, isWrong)
        expect(isWrong(small)).toBe(true)
        expect(small.length).toBeLessThanOrEqual(history.length)
      }),
      { numRuns: 300 },
    )
    expect(seen).toBeGreaterThan(20)
  })
})

let nextId = 0
function asked(call: number, input: KvOperation['input'], output: KvOutput): KvOperation {
  return { id: nextId++, client: 1, call, end: call + 1, input, output }
}
const put = (call: number, key: string, value: string, revision: number): KvOperation =>
  asked(call, txn([{ kind: 'put', key, value, lease: '0', previous: false }]), {
    kind: 'txn',
    revision,
    succeeded: true,
    answers: [{ kind: 'put', previous: undefined }],
  })
const get = (call: number, key: string, value: string, at: number, revision: number): KvOperation =>
  asked(call, txn([{ kind: 'get', key }]), {
    kind: 'txn',
    revision,
    succeeded: true,
    answers: [{ kind: 'get', found: [{ key, value, version: 1, create: at, mod: at, lease: '0' }] }],
  })

describe('whole histories', () => {
  it('are cut by keys, and tied together by operations on several and by leases', () => {
    const lease = (key: string): KvOperation =>
      asked(0, txn([{ kind: 'put', key, value: 'x', lease: '9', previous: false }]), {
        kind: 'granted',
        revision: 2,
      })
    const grant = asked(0, { kind: 'grant', lease: '9', ttlSeconds: 2 }, { kind: 'granted', revision: 1 })
    const parts = partition([
      put(0, 'a/1', 'x', 2),
      put(1, 'b/1', 'x', 3),
      put(2, 'a/2', 'x', 4),
      lease('c/1'),
      lease('d/1'),
      grant,
    ])
    expect(parts.map(({ length }) => length).sort((a, b) => a - b)).toEqual([1, 2, 3])
  })

  it('say what is wrong in a few lines', () => {
    const report = checkLinearizability(
      [
        put(0, 'a/1', 'x', 2),
        put(0, 'b/1', 'y', 3),
        get(10, 'a/1', 'x', 2, 3),
        put(20, 'b/2', 'z', 4),
        get(30, 'b/1', 'y', 2, 4),
      ],
      LIMITS,
    )
    expect(report.undecided).toEqual([])
    expect(report.violations).toHaveLength(1)
    expect(report.violations[0]).toMatch(
      /✗ .* get b\/1 → b\/1 = y \(version 1, created 2, changed 2\) at revision 4/,
    )
    expect(report.violations[0]).not.toContain('a/1')
  })

  it('a revision that goes back is no order', () => {
    const history = [put(0, 'a/1', 'x', 5), put(10, 'a/2', 'y', 4)]
    expect(checkLinearizability(history, LIMITS).violations).toHaveLength(1)
  })
})
