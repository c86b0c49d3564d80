import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Actor } from './domain.ts'
import { Platform, type SubmitRequest } from './platform.ts'
import { encodeRecord } from './record.ts'
import { Registry } from './registry.ts'
import libraryDomain, { library } from './sample/index.ts'
import { ScriptedLog } from './scripted_log.ts'
import { dump } from './testing.ts'
import { newCommandId } from './uuid.ts'

const actor: Actor = { principal: 'anna', kind: 'user' }
const registry = new Registry([libraryDomain])
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

let directory: string
let log: ScriptedLog
let platform: Platform
let fatal: Error[]

const open = (on: ScriptedLog): Promise<Platform> =>
  Platform.open({
    log: on,
    registry,
    directory: join(directory, 'rows'),
    onFatal: (error) => fatal.push(error),
  })

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-leadership-'))
  fatal = []
  log = new ScriptedLog()
  platform = await open(log)
  log.elect()
  log.settle()
  await turn()
  await turn()
  log.settle()
  expect(platform.leading).toBe(true)
})

afterEach(async () => {
  await platform.close()
  await rm(directory, { recursive: true })
})

const shelf = (name: string, more: Partial<SubmitRequest> = {}): SubmitRequest => ({
  type: 'library.CreateShelf',
  data: { name },
  actor,
  commandId: newCommandId(),
  ...more,
})
/** The promise's code; 'accepted' when it resolves. */
const codeOf = (reply: Promise<unknown>): Promise<string> =>
  reply.then(
    () => 'accepted',
    (error: { code: string }) => error.code,
  )
/** Commits and confirms everything, until nothing more is to be proposed. */
async function commitAll(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    log.settle()
    log.confirm()
    await turn()
  }
}

describe('an answer made of decisions in flight', () => {
  const lose = async (): Promise<void> => {
    await turn()
    log.confirm()
    await turn()
    log.lose(0)
    log.foreign([null, null])
    await turn()
  }

  it('is not given when they are lost: neither a rejection, nor a dry run, nor the first answer again', async () => {
    const commandId = newCommandId()
    const first = codeOf(platform.submit(shelf('a', { commandId })))
    const rejected = codeOf(platform.submit(shelf('a')))
    const dry = codeOf(
      platform.submit({
        ...shelf('x'),
        type: 'library.ResizeShelf',
        data: { name: 'a', capacity: 1 },
        dryRun: true,
      }),
    )
    const again = codeOf(platform.submit(shelf('a', { commandId })))
    await lose()
    expect(await first).toBe('OUTCOME_UNKNOWN')
    expect(await rejected).toBe('NOT_LEADER')
    expect(await dry).toBe('NOT_LEADER')
    expect(await again).toBe('OUTCOME_UNKNOWN')
    expect(platform.engine.state.resource(library, 'shelf').size).toBe(0)
  })

  it('is not given when the log refuses them, though their revision is used by another', async () => {
    const commandId = newCommandId()
    const first = codeOf(platform.submit(shelf('a', { commandId })))
    const rejected = codeOf(platform.submit(shelf('a')))
    const again = codeOf(platform.submit(shelf('a', { commandId })))
    log.refusal = 'OVERLOADED'
    await turn()
    const other = codeOf(platform.submit(shelf('b')))
    await commitAll()
    expect(await Promise.all([first, rejected, again, other])).toEqual([
      'OVERLOADED',
      'OVERLOADED',
      'OVERLOADED',
      'accepted',
    ])
    expect(platform.engine.state.resource(library, 'shelf').size).toBe(1)
  })
})

describe('a leader', () => {
  it('goes on deciding after the log refused a proposal', async () => {
    for (const refusal of ['FENCED', 'TOO_LARGE'] as const) {
      log.refusal = refusal
      const refused = codeOf(platform.submit(shelf('a')))
      await commitAll()
      expect(await refused).toBe('OUTCOME_UNKNOWN')
      expect(platform.leading).toBe(true)
    }
    const accepted = codeOf(platform.submit(shelf('a')))
    await commitAll()
    expect(await accepted).toBe('accepted')
  })

  it('proposes a burst in parts that the log takes', async () => {
    const labels = Object.fromEntries(Array.from({ length: 64 }, (_, i) => [`l${i}`, 'x'.repeat(255)]))
    const replies = Array.from({ length: 1200 }, (_, i) =>
      codeOf(platform.submit(shelf(`s${i}`, { data: { name: `s${i}`, labels } }))),
    )
    await commitAll()
    expect(new Set(await Promise.all(replies))).toEqual(new Set(['accepted', 'OVERLOADED']))
    expect(log.committed.reduce((total, { payload }) => total + payload.length, 0)).toBeGreaterThan(17 << 20)
  })

  it('begins the first history again when the log refuses it', async () => {
    await platform.close()
    log = new ScriptedLog()
    await rm(directory, { recursive: true })
    platform = await open(log)
    log.elect()
    log.settle()
    await turn()
    log.refusal = 'OVERLOADED'
    await turn()
    const deadline = performance.now() + 5000
    while (platform.history === '' && performance.now() < deadline) {
      await new Promise((resolve) => setTimeout(resolve, 10))
      await commitAll()
    }
    expect(platform.leading).toBe(true)
  })

  it('answers everyone who waits when it is closed', async () => {
    const submitted = codeOf(platform.submit(shelf('a')))
    const waiting = codeOf(platform.whenApplied(1000, 60_000))
    const reading = codeOf(platform.barrier())
    await platform.close()
    log.lose(0)
    expect(await submitted).toBe('OUTCOME_UNKNOWN')
    expect(await waiting).toBe('UNAVAILABLE')
    expect(await reading).toBe('NOT_LEADER')
    expect(await codeOf(platform.submit(shelf('b')))).toBe('UNAVAILABLE')
    expect(await codeOf(platform.whenApplied(1000, 60_000))).toBe('UNAVAILABLE')
  })
})

describe('a replica', () => {
  it('stops at an entry that it cannot take, with the state before it', async () => {
    log.lose(0)
    const before = dump(platform.engine.state)
    const data = { uid: 'u', name: 'half', labels: {}, capacity: 1 }
    const events = [
      { type: 'library.ShelfCreated', version: 1, data },
      { type: 'library.ShelfBurnt', version: 1, data: {} },
    ]
    const record = {
      command: 'library.X',
      request: {},
      commandId: '',
      actor: 'a',
      cause: '',
      result: {},
      events,
    }
    log.foreign([encodeRecord({ kind: 'decision', time: Date.now(), actorKind: 'user', ...record })])
    expect(fatal.map(({ message }) => message)).toEqual([
      `entry ${log.committed.length} cannot be applied: event library.ShelfBurnt is unknown: this build is older than the log`,
    ])
    expect(dump(platform.engine.state)).toBe(before)
    log.foreign([null])
    expect(platform.applied.revision).toBe(log.committed.length - 2)
  })
})

describe('rows of another log', () => {
  async function write(name: string): Promise<void> {
    const reply = platform.submit(shelf(name))
    await commitAll()
    await reply
  }

  it('are kept when the log is the one they are made of', async () => {
    await write('a')
    const { revision } = platform.applied
    await platform.close()
    platform = await open(new ScriptedLog('scripted', log.committed))
    await turn()
    expect(platform.repaired).toBeUndefined()
    expect(platform.resumedRevision).toBe(revision)
    expect(platform.applied.revision).toBe(revision)
  })

  it('are thrown away when the log is shorter', async () => {
    await write('a')
    await write('b')
    await platform.close()
    platform = await open(new ScriptedLog('scripted', log.committed.slice(0, -1)))
    await turn()
    expect(platform.repaired).toMatch(/the log ends at 3/)
    expect([...platform.engine.state.resource(library, 'shelf').values()].map(({ name }) => name)).toEqual([
      'a',
    ])
  })

  it('are thrown away when the log holds other entries, also where the rows end with a no-op', async () => {
    await write('a')
    log.lose(0)
    log.foreign([null])
    await platform.close()
    const rows = directory
    log = new ScriptedLog('scripted', log.committed.slice(0, 2))
    directory = join(rows, 'other')
    platform = await open(log)
    log.elect()
    log.settle()
    await turn()
    await write('z')
    await write('y')
    const expected = dump(platform.engine.state)
    await platform.close()
    directory = rows
    platform = await open(new ScriptedLog('scripted', log.committed))
    await turn()
    await turn()
    expect(platform.repaired).toMatch(/another log/)
    expect(platform.resumedRevision).toBe(0)
    expect(dump(platform.engine.state)).toBe(expected)
  })
})
