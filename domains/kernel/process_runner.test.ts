import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { z } from 'zod'
import { command, contract, event } from './contract.ts'
import { type Draft, domain, state, table } from './domain.ts'
import { Platform } from './platform.ts'
import { Registry } from './registry.ts'
import { reject } from './rejection.ts'
import { ScriptedLog } from './scripted_log.ts'

const chores = contract({
  name: 'chores',
  doc: 'What there is to do.',
  resources: {},
  commands: {
    Do: command({
      doc: 'Does one; the hopeless ones cannot be done',
      permission: 'chores.all.do',
      scope: 'system',
      request: { chore: [1, z.string()], hopeless: [2, z.boolean()] },
      result: {},
    }),
  },
  events: { Done: event({ chore: [1, z.string()] }) },
})
const spec = state(chores, {}, { done: table<{ readonly chore: string }>()({}) })

let directory: string
let log: ScriptedLog
let platform: Platform
/** What the process does at each look. */
let plan: (done: ReadonlySet<string>) => readonly Draft[]
let looks: number
let settling: NodeJS.Timeout

const draft = (chore: string, hopeless = false): Draft => ({
  type: 'chores.Do',
  data: { chore, hopeless },
  cause: `chore/${chore}`,
})
const done = (): ReadonlySet<string> =>
  new Set([...platform.engine.state.view(spec).done.values()].map(({ chore }) => chore))

const choresDomain = domain({
  state: spec,
  decide: {
    Do: ({ chore, hopeless }, context) => {
      if (hopeless) reject('FAILED_PRECONDITION', `${chore} is hopeless`)
      context.emit('Done', { chore })
      return {}
    },
  },
  evolve: { Done: (tables, { chore }) => tables.done.put(chore, { chore }) },
  processes: [
    {
      name: 'chores',
      plan: () => {
        looks++
        return plan(done())
      },
    },
  ],
})

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-processes-'))
  log = new ScriptedLog()
  looks = 0
  plan = () => []
  const onFatal = (error: Error): void => {
    throw error
  }
  platform = await Platform.open({ log, registry: new Registry([choresDomain]), directory, onFatal })
  settling = setInterval(() => {
    log.settle()
    log.confirm()
  }, 1)
  log.elect()
  await vi.waitFor(() => expect(platform.leading).toBe(true))
})

afterEach(async () => {
  clearInterval(settling)
  await platform.close()
  await rm(directory, { recursive: true })
})

describe('processes', () => {
  it('come to every draft, though a full round of others is refused each time', async () => {
    const hopeless = Array.from({ length: 600 }, (_, i) => draft(`hopeless ${i}`, true))
    plan = (known) => [
      ...hopeless,
      ...['a', 'b'].filter((chore) => !known.has(chore)).map((chore) => draft(chore)),
    ]
    await vi.waitFor(() => expect([...done()]).toEqual(['a', 'b']), { timeout: 10_000 })
    expect(platform.processProblems.get('chores')).toMatch(/is hopeless/)
  })

  it('look again soon while something happens, and seldom while nothing does', async () => {
    plan = (known) => (known.size < 20 ? [draft(String(known.size))] : [])
    const began = performance.now()
    await vi.waitFor(() => expect(done().size).toBe(20), { timeout: 10_000 })
    expect(performance.now() - began).toBeLessThan(5000)
    const before = looks
    plan = () => [draft('never', true)]
    await new Promise((resolve) => setTimeout(resolve, 1100))
    expect(looks - before).toBeLessThanOrEqual(5)
  })

  it('go on after a plan that throws', async () => {
    plan = () => {
      throw new Error('the plan is broken')
    }
    await vi.waitFor(() => expect(platform.processProblems.get('chores')).toBe('the plan is broken'), {
      timeout: 5000,
    })
    plan = (known) => (known.size === 0 ? [draft('a')] : [])
    await vi.waitFor(() => expect(platform.processProblems.size).toBe(0), { timeout: 5000 })
    expect(done().size).toBe(1)
  })

  it('stop with leadership, also in the middle of a round, and go on with it', async () => {
    clearInterval(settling)
    plan = (known) => (known.has('a') ? [] : [draft('a')])
    await vi.waitFor(() => expect(log.tail.length).toBeGreaterThan(0), { timeout: 5000 })
    log.lose(0)
    await vi.waitFor(() => expect(platform.processProblems.get('chores')).toMatch(/leadership was lost/))
    const before = looks
    await new Promise((resolve) => setTimeout(resolve, 600))
    expect(looks).toBe(before)
    log.elect()
    settling = setInterval(() => {
      log.settle()
      log.confirm()
    }, 1)
    await vi.waitFor(() => expect([...done()]).toEqual(['a']), { timeout: 5000 })
  })
})
