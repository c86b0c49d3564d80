import { array, assert, asyncProperty, constant, constantFrom, integer, oneof, record } from 'fast-check'
import { expect, test } from 'vitest'
import { waitUntil } from './deadline.ts'
import type { DesiredChange, DesiredIncarnation, Observation } from './desired.ts'
import { HostError } from './errors.ts'
import { Reconciler, type ReconcilerOptions } from './reconciler.ts'
import { SimulatedDriver } from './simulated_driver.ts'
import { testSpecification } from './testing/guests.ts'

type Intent = DesiredIncarnation['intent']

function desired(
  name: string,
  intent: Intent,
  overrides: Partial<DesiredIncarnation> = {},
): DesiredIncarnation {
  return { ...testSpecification(name, 5), intent, ...overrides }
}

function change(row: DesiredIncarnation): DesiredChange {
  return { key: row.incarnation, row }
}

class Bench {
  readonly driver = new SimulatedDriver()
  readonly observations: Observation[] = []
  readonly realized: number[] = []
  reconciler = this.#make()
  refuseReports = false
  readonly over = new Set<string>()

  restart(): void {
    this.reconciler.close()
    this.reconciler = this.#make()
  }

  #make(): Reconciler {
    const options: ReconcilerOptions = {
      acceleration: 'tcg',
      report: async (observation) => {
        await Promise.resolve()
        if (this.over.has(observation.incarnation) && observation.lifecycle !== 'stopped') {
          throw new HostError('hostd/incarnation_over', observation.incarnation)
        }
        if (this.refuseReports) throw new Error('The control plane cannot be reached.')
        this.observations.push(observation)
      },
      onRealized: (revision) => this.realized.push(revision),
    }
    return new Reconciler(this.driver, options)
  }

  lifecycles(name: string): string[] {
    return this.observations
      .filter(({ incarnation }) => incarnation === `incarnation-of-${name}`)
      .map(({ lifecycle }) => lifecycle)
  }

  until(revision: number): Promise<number> {
    return waitUntil(
      `revision ${revision} is realized`,
      10_000,
      () => (this.reconciler.realizedRevision() >= revision ? revision : undefined),
      1,
    )
  }
}

test('an incarnation is started, stopped and destroyed, and each is realized when it is reported', async () => {
  const bench = new Bench()
  expect(bench.reconciler.realizedRevision()).toBe(0)
  bench.reconciler.snapshot([desired('web-1', 'running')], 7)
  expect(bench.reconciler.realizedRevision()).toBe(6)
  await bench.until(7)
  expect(bench.observations.at(-1)).toMatchObject({
    incarnation: 'incarnation-of-web-1',
    generation: 1,
    lifecycle: 'running',
    guestReady: true,
    forwards: [{ port: 'port-5', guestPort: 80, address: '10.0.0.5', hostPort: 80 }],
  })
  bench.reconciler.apply([change(desired('web-1', 'stopped', { generation: 2 }))], 8)
  await bench.until(8)
  expect(bench.observations.at(-1)).toMatchObject({
    lifecycle: 'stopped',
    reason: 'PowerButton',
    generation: 2,
  })
  bench.reconciler.apply([change(desired('web-1', 'destroyed', { generation: 3 }))], 9)
  await bench.until(9)
  expect(bench.observations.at(-1)).toMatchObject({ lifecycle: 'destroyed', generation: 3 })
  expect(bench.driver.list()).toEqual([])
  const said = bench.observations.length
  bench.reconciler.apply([{ key: 'incarnation-of-web-1', row: null }], 10)
  await bench.until(10)
  bench.reconciler.apply([], 11)
  await bench.until(11)
  expect(bench.observations.length).toBe(said)
  expect(bench.realized).toEqual([6, 7, 8, 9, 10, 11])
  bench.reconciler.close()
})

test('a crash is reported and not repaired', async () => {
  const bench = new Bench()
  bench.reconciler.snapshot([desired('web-1', 'running')], 1)
  await bench.until(1)
  bench.driver.end('incarnation-of-web-1', { outcome: 'failed', reason: 'KilledBySignal: SIGKILL' })
  await waitUntil(
    'the crash is reported',
    10_000,
    () => bench.lifecycles('web-1').at(-1) === 'failed' || undefined,
  )
  expect(bench.driver.list().map(({ phase }) => phase)).toEqual(['exited'])
  expect(bench.observations.at(-1)?.forwards).toEqual([])
  bench.reconciler.close()
})

test('what the control plane does not know is quarantined, until it is known or ends', async () => {
  const bench = new Bench()
  for (const name of ['stray', 'lost']) await bench.driver.start(testSpecification(name, 5))
  bench.reconciler.snapshot([], 5)
  await bench.until(5)
  expect(bench.lifecycles('stray')).toEqual(['quarantined'])
  expect(bench.driver.status('incarnation-of-stray')?.phase).toBe('running')

  bench.reconciler.apply([change(desired('stray', 'running'))], 6)
  await bench.until(6)
  expect(bench.lifecycles('stray')).toEqual(['quarantined', 'running'])
  bench.driver.end('incarnation-of-lost', { outcome: 'stopped', reason: 'GuestShutdown' })
  await waitUntil('lost is gone', 10_000, () => bench.lifecycles('lost').at(-1) === 'destroyed' || undefined)
  expect(bench.driver.status('incarnation-of-lost')).toBeUndefined()
  // A restore can make what runs unknown: it goes on.
  bench.reconciler.apply([{ key: 'incarnation-of-stray', row: null }], 7)
  await bench.until(7)
  expect(bench.lifecycles('stray').at(-1)).toBe('quarantined')
  expect(bench.driver.status('incarnation-of-stray')?.phase).toBe('running')
  bench.reconciler.close()
})

test('reports are sent until they are accepted, and only the latest', async () => {
  const bench = new Bench()
  bench.refuseReports = true
  bench.reconciler.snapshot([desired('web-1', 'running')], 1)
  await waitUntil(
    'it runs',
    10_000,
    () => bench.driver.status('incarnation-of-web-1')?.guestReady || undefined,
  )
  expect(bench.reconciler.realizedRevision()).toBe(0)
  bench.refuseReports = false
  await bench.until(1)
  expect(bench.lifecycles('web-1')).toEqual(['running'])
  bench.reconciler.close()
})

test('a restarted reconciler says again what it sees, and does nothing twice', async () => {
  const bench = new Bench()
  const rows = [desired('web-1', 'running'), desired('web-2', 'stopped')]
  bench.reconciler.snapshot(rows, 3)
  await bench.until(3)
  bench.observations.length = 0
  bench.restart()
  bench.driver.fail = (step) => {
    throw new Error(`Nothing is to be done, but ${step} was.`)
  }
  bench.reconciler.snapshot(rows, 3)
  await bench.until(3)
  expect(bench.lifecycles('web-1')).toEqual(['running'])
  expect(bench.lifecycles('web-2')).toEqual(['stopped'])
  // Another snapshot, such as that of another history, is answered in full again.
  bench.reconciler.snapshot(rows, 2)
  await waitUntil('all is said again', 10_000, () => bench.observations.length === 4 || undefined)
  await bench.until(2)
  expect(bench.reconciler.realizedRevision()).toBe(2)
  bench.reconciler.close()
})

test('a step that fails is tried again, and says why meanwhile', async () => {
  const bench = new Bench()
  let failures = 2
  bench.driver.fail = (step) => {
    if (step === 'start' && failures-- > 0) throw new Error('No space left on device')
  }
  bench.reconciler.snapshot([desired('web-1', 'running')], 1)
  await bench.until(1)
  expect(bench.observations.map(({ reason }) => reason)).toContain('Retrying: No space left on device')
  expect(bench.lifecycles('web-1').at(-1)).toBe('running')
  bench.reconciler.close()
})

test('the next incarnation of an instance waits until the one before has ended', async () => {
  const bench = new Bench()
  const before = desired('web-1', 'running')
  const after = desired('web-1', 'running', { incarnation: 'incarnation-2', generation: 2 })
  bench.reconciler.snapshot([before], 1)
  await bench.until(1)
  bench.reconciler.apply([change(after)], 2)
  await waitUntil('it waits', 10_000, () =>
    bench.observations.find(({ incarnation }) => incarnation === 'incarnation-2'),
  )
  expect(bench.observations.at(-1)?.reason).toMatch(/^WaitingForPredecessor: incarnation-of-web-1/)
  expect(bench.driver.status('incarnation-2')).toBeUndefined()
  bench.reconciler.apply([change({ ...before, intent: 'destroyed' })], 3)
  await bench.until(3)
  expect(bench.driver.list().map(({ specification }) => specification.incarnation)).toEqual(['incarnation-2'])
  bench.reconciler.close()
})

test('what the control plane says is over is ended, and not started again', async () => {
  const bench = new Bench()
  const rows = [desired('web-1', 'running')]
  bench.reconciler.snapshot(rows, 1)
  await bench.until(1)
  bench.over.add('incarnation-of-web-1')
  bench.restart()
  bench.reconciler.snapshot(rows, 2)
  await bench.until(2)
  await waitUntil('it has ended', 10_000, () => bench.lifecycles('web-1').at(-1) === 'stopped' || undefined)
  bench.over.clear()
  bench.restart()
  bench.reconciler.snapshot(rows, 3)
  await bench.until(3)
  expect(bench.driver.list().map(({ phase }) => phase)).toEqual(['exited'])
  bench.reconciler.close()
})

test('changes before a snapshot are refused, and older ones change nothing', async () => {
  const bench = new Bench()
  expect(() => bench.reconciler.apply([], 1)).toThrowError(TypeError)
  bench.reconciler.snapshot([desired('web-1', 'running')], 5)
  bench.reconciler.apply([change(desired('web-1', 'destroyed'))], 4)
  await bench.until(5)
  expect(bench.driver.status('incarnation-of-web-1')?.phase).toBe('running')
  bench.reconciler.close()
})

const names = ['a', 'b', 'c'] as const
const step = oneof(
  record({
    kind: constant('desire' as const),
    name: constantFrom(...names),
    intent: constantFrom<Intent | null>('running', 'stopped', 'destroyed', null),
  }),
  record({ kind: constant('crash' as const), name: constantFrom(...names) }),
  record({ kind: constant('pause' as const), turns: integer({ min: 1, max: 6 }) }),
  record({ kind: constant('restart' as const) }),
)

test('whatever happens, the host ends up as desired, all is reported, and nothing unknown is ended', async () => {
  const property = asyncProperty(array(step, { maxLength: 30 }), async (steps) => {
    const bench = new Bench()
    const rows = new Map<string, DesiredIncarnation>()
    const stopped: string[] = []
    bench.driver.fail = (action, incarnation) => {
      if (action === 'stop' && !rows.has(incarnation)) stopped.push(incarnation)
    }
    let revision = 1
    bench.reconciler.snapshot([], revision)
    for (const one of steps) {
      if (one.kind === 'pause') {
        for (let turn = 0; turn < one.turns; turn += 1) await Promise.resolve()
      } else if (one.kind === 'restart') {
        bench.restart()
        bench.reconciler.snapshot([...rows.values()], revision)
      } else if (one.kind === 'crash') {
        const status = bench.driver.status(`incarnation-of-${one.name}`)
        if (status === undefined) continue
        bench.driver.end(status.specification.incarnation, { outcome: 'failed', reason: 'Crash' })
      } else {
        const key = `incarnation-of-${one.name}`
        const row = one.intent === null ? null : desired(one.name, one.intent, { instance: one.name })
        if (row === null) rows.delete(key)
        else rows.set(key, row)
        revision += 1
        bench.reconciler.apply([{ key, row }], revision)
      }
    }
    await bench.until(revision)
    bench.reconciler.close()
    expect(stopped).toEqual([])
    for (const row of rows.values()) {
      const status = bench.driver.status(row.incarnation)
      const said = bench.observations.findLast(
        ({ incarnation }) => incarnation === row.incarnation,
      )?.lifecycle
      if (row.intent === 'destroyed') expect([status, said]).toEqual([undefined, 'destroyed'])
      if (row.intent === 'running') {
        expect(['running', 'exited']).toContain(status?.phase)
        expect(said).toBe(status?.phase === 'running' ? 'running' : status?.exit?.outcome)
      }
      if (row.intent === 'stopped') {
        expect(['exited', undefined]).toContain(status?.phase)
        expect(said).toBe(status?.exit?.outcome ?? 'stopped')
      }
    }
  })
  await assert(property, { numRuns: 300 })
})
