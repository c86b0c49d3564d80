import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Engine, type Outcome } from './engine.ts'
import { decodeRecord, encodeRecord } from './record.ts'
import { Registry } from './registry.ts'
import type { Rejection } from './rejection.ts'
import libraryDomain, { library } from './sample/index.ts'
import { dump, Scenario } from './testing.ts'
import { uuidv7 } from './uuid.ts'

const shelved = (): Scenario => {
  const scenario = new Scenario([libraryDomain])
  scenario.run(library, 'CreateShelf', { name: 'top' })
  return scenario
}
const id = (scenario: Scenario, n = 0, ago = 0): string =>
  uuidv7(scenario.now - ago, new Uint8Array(10).fill(n))

describe('decisions', () => {
  it('apply the effect of an event to the row, with its stamps', () => {
    const scenario = shelved()
    const { uid } = scenario.run(library, 'AddBook', { name: 'emma', shelf: 'top', pages: 300 })
    const row = scenario.state.resource(library, 'book').get(uid)
    expect(row).toMatchObject({
      name: 'emma',
      pages: 300,
      revision: 2,
      createdRevision: 2,
      createdAt: scenario.now,
    })
    scenario.checkReplay()
  })

  it('name every field that does not fit', () => {
    const scenario = shelved()
    const rejection = scenario.rejected(
      library,
      'AddBook',
      { name: 'Emma!', shelf: 'top', pages: 0, colour: 'red' },
      'INVALID_ARGUMENT',
    )
    expect(rejection.message).toMatch(
      /name: .*pages: .*colour: unknown field; it takes name, shelf, pages, sequel/,
    )
  })

  it('reject a taken name, a missing target and an unknown command', () => {
    const scenario = shelved()
    scenario.rejected(library, 'CreateShelf', { name: 'top' }, 'ALREADY_EXISTS')
    scenario.rejected(library, 'AddBook', { name: 'emma', shelf: 'low', pages: 1 }, 'NOT_FOUND')
    scenario.rejected(library, 'Burn' as never, {}, 'UNKNOWN_COMMAND')
  })

  it('compose: all of it lands in one entry or none does', () => {
    const scenario = shelved()
    scenario.run(library, 'AddPair', { first: 'one', second: 'two', shelf: 'top' })
    expect(scenario.events.map(({ type }) => type)).toEqual(['library.BookAdded', 'library.BookAdded'])
    scenario.rejected(library, 'AddPair', { first: 'three', second: 'four', shelf: 'top' }, 'QUOTA_EXCEEDED')
    expect(scenario.state.resource(library, 'book').size).toBe(2)
    scenario.checkReplay()
  })

  it('hold the precondition of a client against the row', () => {
    const scenario = shelved()
    scenario.rejected(library, 'ResizeShelf', { name: 'top', capacity: 9 }, 'REVISION_MISMATCH', {
      ifRevision: 7,
    })
    scenario.run(library, 'ResizeShelf', { name: 'top', capacity: 9 }, { ifRevision: 1 })
    scenario.rejected(library, 'CreateShelf', { name: 'low' }, 'INVALID_ARGUMENT', { ifRevision: 1 })
  })

  it('cascade to what is owned, and are blocked by what uses it from outside', () => {
    const scenario = shelved()
    scenario.run(library, 'CreateShelf', { name: 'low' })
    scenario.run(library, 'AddBook', { name: 'one', shelf: 'top', pages: 1 })
    scenario.run(library, 'AddBook', { name: 'two', shelf: 'low', pages: 1, sequel: 'one' })
    const rejection = scenario.rejected(library, 'DeleteShelf', { name: 'top' }, 'IN_USE')
    expect(rejection.message).toContain('library.book two uses library.book one')
    scenario.run(library, 'DeleteShelf', { name: 'low' })
    scenario.run(library, 'DeleteShelf', { name: 'top' })
    expect(scenario.state.resource(library, 'book').size).toBe(0)
    scenario.checkReplay()
  })

  it('keep running totals that undo with the rows', () => {
    const scenario = shelved()
    scenario.run(library, 'AddBook', { name: 'one', shelf: 'top', pages: 40 })
    const { state } = libraryDomain
    const shelf = scenario.state.resource(library, 'shelf').find('name', '/top')
    const pages = () =>
      (
        scenario.state.view(state) as unknown as { book: { sum(name: string, key: string): number } }
      ).book.sum('pages', shelf?.uid ?? '')
    expect(pages()).toBe(40)
    scenario.engine.dryRun(
      {
        type: 'library.AddBook',
        data: { name: 'two', shelf: 'top', pages: 2 },
        actor: { principal: 'p', kind: 'process' },
        commandId: '',
      },
      { revision: 9, now: scenario.now, seed: 'x' },
    )
    expect(pages()).toBe(40)
  })
})

describe('dry runs', () => {
  it('say what would happen, and leave no trace', () => {
    const scenario = shelved()
    const before = dump(scenario.state)
    const request = {
      type: 'library.AddBook',
      data: { name: 'emma', shelf: 'top', pages: 3 },
      actor: { principal: 'p', kind: 'process' as const },
      commandId: '',
    }
    const record = scenario.engine.dryRun(request, { revision: 2, now: scenario.now, seed: 's' })
    expect(record.events).toMatchObject([{ type: 'library.BookAdded', data: { name: 'emma' } }])
    expect(dump(scenario.state)).toBe(before)
  })
})

describe('dedupe', () => {
  it('answers the same command the same, and refuses its id for another one', () => {
    const scenario = shelved()
    const commandId = id(scenario)
    const first = scenario.run(library, 'AddBook', { name: 'emma', shelf: 'top', pages: 3 }, { commandId })
    const again = scenario.run(library, 'AddBook', { name: 'emma', shelf: 'top', pages: 3 }, { commandId })
    expect(again).toEqual(first)
    expect(scenario.records).toHaveLength(2)
    scenario.rejected(library, 'AddBook', { name: 'emma', shelf: 'top', pages: 4 }, 'COMMAND_ID_REUSED', {
      commandId,
    })
    scenario.checkReplay()
  })

  it('refuses an id without a time, and one from the future', () => {
    const scenario = shelved()
    scenario.rejected(library, 'LendBook', { name: 'x' }, 'INVALID_ARGUMENT', { commandId: 'once' })
    scenario.rejected(library, 'LendBook', { name: 'x' }, 'INVALID_ARGUMENT', {
      commandId: id(scenario, 0, -6 * 60_000),
    })
  })

  it('refuses an id that is older than what is remembered, and never runs it again', () => {
    const engine = new Engine(new Scenario([libraryDomain]).registry, 2)
    const request = (name: string, commandId: string) => ({
      type: 'library.CreateShelf',
      data: { name },
      actor: { principal: 'p', kind: 'process' as const },
      commandId,
    })
    const now = 1_700_000_000_000
    const ids = [1, 2, 3].map((n) => uuidv7(now + n, new Uint8Array(10)))
    ids.forEach((commandId, i) =>
      engine.decide(request(`s${i}`, commandId), { revision: i + 1, now, seed: String(i) }),
    )
    expect(() => engine.decide(request('s0', ids[0] as string), { revision: 9, now, seed: '9' })).toThrow(
      /older than what is remembered/,
    )
    expect(engine.decide(request('s2', ids[2] as string), { revision: 9, now, seed: '9' })).toMatchObject({
      kind: 'duplicate',
      revision: 3,
    })
  })
})

describe('the window of dedupe', () => {
  const now = 1_700_000_000_000
  const request = (principal: string, name: string, commandId: string) => ({
    type: 'library.CreateShelf',
    data: { name },
    actor: { principal, kind: 'user' as const },
    commandId,
  })

  it('is not moved ahead by a client whose clock is', () => {
    const engine = new Engine(new Registry([libraryDomain]), 3)
    const ahead = uuidv7(now + 299_000, Buffer.alloc(10, 1))
    engine.decide(request('ahead', 'x', ahead), { revision: 1, now, seed: 'x' })
    for (let i = 1; i <= 20; i++) {
      const place = { revision: i + 1, now: now + i, seed: String(i) }
      expect(
        engine.decide(request('punctual', `s${i}`, uuidv7(now + i, Buffer.alloc(10, 2))), place).kind,
      ).toBe('decided')
    }
    expect(engine.decide(request('ahead', 'x', ahead), { revision: 99, now, seed: 'y' }).kind).toBe(
      'duplicate',
    )
  })

  it('never runs an id twice, and forgets the same on every replica, whatever the order of the ids', () => {
    const command = fc.record({ minute: fc.integer({ min: 0, max: 9 }), who: fc.constantFrom('anna', 'ben') })
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60, size: 'max' }), (commands) => {
        const registry = new Registry([libraryDomain])
        const engine = new Engine(registry, 4)
        const replica = new Engine(registry, 4)
        const accepted = new Map<string, number>()
        let revision = 0
        for (const { minute, who } of commands) {
          const commandId = uuidv7(now + minute, Buffer.alloc(10))
          const place = { revision: revision + 1, now: now + 10, seed: String(revision) }
          let outcome: Outcome
          try {
            outcome = engine.decide(request(who, `${who}${minute}`, commandId), place)
          } catch (error) {
            expect((error as Rejection).code).toBe('COMMAND_ID_EXPIRED')
            continue
          }
          const at = accepted.get(who + minute)
          if (outcome.kind === 'duplicate') expect(outcome.revision).toBe(at)
          else {
            expect(at).toBeUndefined()
            accepted.set(who + minute, ++revision)
            replica.apply(decodeRecord(encodeRecord(outcome.record)), revision)
          }
        }
        expect(dump(replica.state)).toBe(dump(engine.state))
      }),
    )
  })
})

describe('events', () => {
  it('of an older version are upcast where the log is decoded', () => {
    const scenario = shelved()
    scenario.state.evolve(
      { type: 'library.BookLent', version: 1, data: { book: 'b' } },
      { now: 0, revision: 5 },
    )
    expect(scenario.state.tables.get('library.lending')?.get('b')).toEqual({ book: 'b', times: 1 })
  })

  it('that are unknown or newer stop the replica', () => {
    const scenario = shelved()
    expect(() =>
      scenario.state.evolve({ type: 'library.BookBurnt', version: 1, data: {} }, { now: 0, revision: 5 }),
    ).toThrow(/older than the log/)
    expect(() =>
      scenario.state.evolve({ type: 'library.BookLent', version: 3, data: {} }, { now: 0, revision: 5 }),
    ).toThrow(/newer than this build/)
  })
})
