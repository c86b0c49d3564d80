import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Actor } from './domain.ts'
import { Engine } from './engine.ts'
import { Platform, type SubmitReply, type SubmitRequest } from './platform.ts'
import { decodeRecord, encodeRecord, type LogRecord } from './record.ts'
import { Registry } from './registry.ts'
import { Rejection } from './rejection.ts'
import libraryDomain from './sample/index.ts'
import { ScriptedLog } from './scripted_log.ts'
import { dump } from './testing.ts'
import { uuidv7 } from './uuid.ts'

const registry = new Registry([libraryDomain])
const actor: Actor = { principal: 'anna', kind: 'user' }
const START = 1_700_000_000_000

interface Asked {
  readonly name: string
  readonly kind: 'create' | 'resize' | 'delete' | 'add'
  readonly capacity: number
}
type Step =
  | { readonly do: 'submit'; readonly ask: Asked; readonly dryRun: boolean; readonly retry: boolean }
  | { readonly do: 'flush' | 'confirm' | 'elect' | 'settle' }
  | { readonly do: 'commit' | 'lose'; readonly count: number }
  | { readonly do: 'foreign'; readonly asks: readonly Asked[] }
  | { readonly do: 'refuse'; readonly code: 'OVERLOADED' | 'FENCED' | 'TOO_LARGE' }
  | { readonly do: 'clock'; readonly by: number }

const asked: fc.Arbitrary<Asked> = fc.record({
  name: fc.constantFrom('a', 'b', 'c'),
  kind: fc.constantFrom('create', 'create', 'resize', 'delete', 'add'),
  capacity: fc.integer({ min: 0, max: 3 }),
})
const count = fc.integer({ min: 0, max: 3 })
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 10,
    arbitrary: fc.record({
      do: fc.constant('submit' as const),
      ask: asked,
      dryRun: fc.boolean(),
      retry: fc.boolean(),
    }),
  },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('flush' as const, 'confirm' as const) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constantFrom('elect' as const, 'settle' as const) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('commit' as const), count }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('lose' as const), count }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('foreign' as const), asks: fc.array(asked, { maxLength: 3 }) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('refuse' as const),
      code: fc.constantFrom('OVERLOADED' as const, 'FENCED' as const, 'TOO_LARGE' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('clock' as const), by: fc.integer({ min: -50, max: 50 }) }),
  },
)

function command({ name, kind, capacity }: Asked): { readonly type: string; readonly data: object } {
  switch (kind) {
    case 'create':
      return { type: 'library.CreateShelf', data: { name, capacity } }
    case 'resize':
      return { type: 'library.ResizeShelf', data: { name, capacity } }
    case 'delete':
      return { type: 'library.DeleteShelf', data: { name } }
    case 'add':
      return { type: 'library.AddBook', data: { name: `${name}${capacity}`, shelf: name, pages: 1 } }
  }
}

/** A command that was submitted, and what came of it. */
interface Submitted {
  readonly request: SubmitRequest
  /** Entries committed when it was submitted: what it was decided on cannot be older. */
  readonly from: number
  to: number
  reply: SubmitReply | undefined
  rejection: Rejection | undefined
}

/** A platform on a scripted log, and everything that was asked of it. */
class Run {
  readonly log = new ScriptedLog()
  readonly submitted: Submitted[] = []
  readonly fatal: Error[] = []
  now = START
  #ids = 0
  readonly #pending = new Set<Promise<void>>()

  async open(directory: string): Promise<Platform> {
    return Platform.open({
      log: this.log,
      registry,
      directory,
      onFatal: (error) => this.fatal.push(error),
      clock: () => this.now,
    })
  }

  /** This member leads, and has begun the first history. */
  async begin(): Promise<void> {
    this.log.elect()
    this.log.settle()
    await turn()
    await turn()
    this.log.settle()
  }

  async step(platform: Platform, each: Step): Promise<void> {
    switch (each.do) {
      case 'submit':
        return this.#submit(platform, each.ask, each.dryRun, each.retry)
      case 'flush':
        return turn()
      case 'confirm':
        return this.log.confirm()
      case 'elect':
        return this.log.elect()
      case 'settle':
        return this.log.settle()
      case 'commit':
        return this.log.commit(each.count)
      case 'lose':
        return this.log.lose(each.count)
      case 'foreign':
        return this.#foreign(each.asks)
      case 'refuse':
        this.log.refusal = each.code
        return
      case 'clock':
        this.now += each.by
    }
  }

  #submit(platform: Platform, ask: Asked, dryRun: boolean, retry: boolean): void {
    const earlier = retry ? this.submitted.filter(({ request }) => request.dryRun !== true).at(-1) : undefined
    const request: SubmitRequest =
      earlier !== undefined && !dryRun
        ? earlier.request
        : { ...command(ask), actor, dryRun, commandId: uuidv7(START, Buffer.alloc(10, ++this.#ids)) }
    const record: Submitted = {
      request,
      from: this.log.committed.length,
      to: 0,
      reply: undefined,
      rejection: undefined,
    }
    this.submitted.push(record)
    const done = platform
      .submit(request)
      .then(
        (reply) => {
          record.reply = reply
        },
        (error: unknown) => {
          if (!(error instanceof Rejection)) throw error
          record.rejection = error
        },
      )
      .finally(() => {
        record.to = this.log.committed.length
        this.#pending.delete(done)
      })
    this.#pending.add(done)
  }

  /** Member 2 decides on what is committed, and on what it has of this member's. */
  #foreign(asks: readonly Asked[]): void {
    if (this.log.leads) return
    this.log.foreign([null])
    if (this.log.committed.every(({ kind }) => kind === 'noop')) {
      const genesis: LogRecord = { kind: 'history', time: START, history: 'h', parent: '', parentRevision: 0 }
      this.log.foreign([encodeRecord(genesis)])
    }
    for (const ask of asks) {
      const { engine, time } = replay(this.log)
      const place = {
        revision: this.log.committed.length + 1,
        now: Math.max(time, START),
        seed: `${this.#ids}`,
      }
      const commandId = uuidv7(START, Buffer.alloc(10, ++this.#ids))
      try {
        const outcome = engine.decide({ ...command(ask), actor, commandId }, place)
        if (outcome.kind === 'decided') this.log.foreign([encodeRecord(outcome.record)])
      } catch (error) {
        if (!(error instanceof Rejection)) throw error
      }
    }
  }

  /** Lets this member lead until everything is answered. Fails when something never is. */
  async finish(platform: Platform): Promise<void> {
    this.log.refusal = undefined
    this.log.elect()
    const deadline = performance.now() + 1000
    let asked = false
    while (this.#pending.size > 0 || !asked) {
      if (performance.now() > deadline)
        throw new Error(`${this.#pending.size} commands were not answered; leading: ${platform.leading}`)
      if (platform.leading && !asked) {
        this.#submit(platform, { name: 'last', kind: 'create', capacity: 1 }, false, false)
        asked = true
      }
      this.log.settle()
      this.log.confirm()
      await turn()
    }
  }
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

/** The state of so many committed entries, made anew. */
function replay(log: ScriptedLog, upTo = log.committed.length): { engine: Engine; time: number } {
  const engine = new Engine(registry)
  let time = 0
  for (const { index, kind, payload } of log.committed.slice(0, upTo)) {
    if (kind === 'noop') continue
    const record = decodeRecord(payload)
    expect(record.time).toBeGreaterThanOrEqual(time)
    time = record.time
    engine.apply(record, index)
  }
  return { engine, time }
}

/** What the command leads to on a prefix of the log: its events' types, or a code. */
function outcomeAt(log: ScriptedLog, upTo: number, request: SubmitRequest): string {
  const { engine, time } = replay(log, upTo)
  const place = { revision: upTo + 1, now: Math.max(time, START), seed: 'model' }
  try {
    return engine
      .dryRun({ ...request, commandId: '' }, place)
      .events.map(({ type }) => type)
      .join()
  } catch (error) {
    return (error as Rejection).code
  }
}

/** Nothing happened, and nothing will. */
const nothing = new Set(['NOT_LEADER', 'UNAVAILABLE', 'OVERLOADED', 'TOO_LARGE'])

function checkAnswer(log: ScriptedLog, { request, from, to, reply, rejection }: Submitted): void {
  const idAt = log.committed.findIndex(({ kind, payload }) => {
    const record = kind === 'noop' ? undefined : decodeRecord(payload)
    return record?.kind === 'decision' && record.commandId === request.commandId
  })
  const prefixes = Array.from({ length: to - from + 1 }, (_, i) => from + i)
  if (reply !== undefined && request.dryRun === true) {
    const events = reply.record?.events.map(({ type }) => type).join()
    expect(prefixes.map((upTo) => outcomeAt(log, upTo, request))).toContain(events)
    expect(idAt).toBe(-1)
  } else if (reply !== undefined) {
    expect(idAt + 1).toBe(reply.revision)
    const record = decodeRecord(log.committed[idAt]?.payload ?? new Uint8Array())
    expect(record).toMatchObject({ kind: 'decision', commandId: request.commandId, result: reply.result })
    expect(reply.revision).toBeLessThanOrEqual(to)
  } else if (rejection !== undefined && !nothing.has(rejection.code) && rejection.code !== 'OUTCOME_UNKNOWN')
    expect(prefixes.map((upTo) => outcomeAt(log, upTo, request))).toContain(rejection.code)
}

/** A command of which every answer said that it did not happen is not in the log. */
function checkRefused(log: ScriptedLog, submitted: readonly Submitted[]): void {
  const answers = Map.groupBy(submitted, ({ request }) => request.commandId)
  for (const { kind, payload } of log.committed) {
    const record = kind === 'noop' ? undefined : decodeRecord(payload)
    if (record?.kind !== 'decision') continue
    const all = answers.get(record.commandId)
    if (all === undefined) continue
    const possible = all.some(
      ({ reply, rejection }) => reply !== undefined || rejection?.code === 'OUTCOME_UNKNOWN',
    )
    expect(
      possible,
      `${record.command} is in the log: ${all.map(({ rejection }) => rejection?.code).join()}`,
    ).toBe(true)
  }
}

describe('the platform on any log', () => {
  let base: string
  let runs = 0
  beforeAll(async () => {
    base = await mkdtemp(join(tmpdir(), 'ultracloud-platform-model-'))
  })
  afterAll(() => rm(base, { recursive: true }))

  it('holds the state of the committed entries, and answers what came true', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 10, maxLength: 60, size: 'max' }), async (steps) => {
        const run = new Run()
        const directory = join(base, String(runs++))
        const platform = await run.open(directory)
        try {
          await run.begin()
          for (const each of steps) await run.step(platform, each)
          await run.finish(platform)
          expect(run.fatal).toEqual([])
          expect(platform.engine.state.journal.savepoint()).toBe(0)
          expect(dump(platform.engine.state)).toBe(dump(replay(run.log).engine.state))
          for (const each of run.submitted) checkAnswer(run.log, each)
          checkRefused(run.log, run.submitted)
        } finally {
          await platform.close()
        }
        const again = await run.open(directory)
        expect(again.applied.revision).toBe(run.log.committed.length)
        expect(dump(again.engine.state)).toBe(dump(replay(run.log).engine.state))
        await again.close()
        await rm(directory, { recursive: true })
      }),
      { numRuns: 100 },
    )
  })
})
