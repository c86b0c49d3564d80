import { mkdir, mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Actor } from '../../domains/kernel/domain.ts'
import { Platform } from '../../domains/kernel/platform.ts'
import { decodeRecord } from '../../domains/kernel/record.ts'
import { Registry } from '../../domains/kernel/registry.ts'
import libraryDomain from '../../domains/kernel/sample/index.ts'
import { ScriptedLog } from '../../domains/kernel/scripted_log.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { Runner } from './runner.ts'
import { shelfPages } from './sample/shelf_pages.ts'
import { ProjectionStore } from './store.ts'

const actor: Actor = { principal: 'anna', kind: 'user' }
const sound = new URL('./sample/worker.ts', import.meta.url)
const crashing = new URL('./sample/crashing_worker.ts', import.meta.url)
let directory: string
let log: ScriptedLog
let platform: Platform
let runner: Runner
let fatal: Error[]
let settling: NodeJS.Timeout

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-runner-failure-'))
  fatal = []
  log = await newLog('rows')
})

afterEach(async () => {
  clearInterval(settling)
  await runner.close()
  await platform.close()
  await rm(directory, { recursive: true })
})

/** A log of its own, to which `platform` writes. */
async function newLog(rows: string, committed: ScriptedLog['committed'] = []): Promise<ScriptedLog> {
  const made = new ScriptedLog('scripted', committed)
  const onFatal = (error: Error): void => {
    throw error
  }
  platform = await Platform.open({
    log: made,
    registry: new Registry([libraryDomain]),
    directory: join(directory, rows),
    onFatal,
  })
  clearInterval(settling)
  settling = setInterval(() => {
    made.settle()
    made.confirm()
  }, 1)
  made.elect()
  await vi.waitFor(() => expect(platform.leading).toBe(true), { timeout: 20_000 })
  return made
}

async function start(worker: URL): Promise<void> {
  const onFatal = (error: Error): void => {
    fatal.push(error)
  }
  runner = await Runner.open({ log, directory: join(directory, 'projections'), worker, onFatal })
}

async function shelve(count: number, from = 0): Promise<void> {
  const submit = (i: number) =>
    platform.submit({
      type: 'library.CreateShelf',
      data: { name: `s${i}` },
      actor,
      commandId: newCommandId(),
    })
  await Promise.all(Array.from({ length: count }, (_, i) => submit(from + i)))
}

const shown = () => runner.whenProjected(log.committed.length, 10_000)
const names = async (): Promise<readonly unknown[]> => {
  const { rows } = await runner.call('read', { kind: 'library.shelf', pageSize: 1000, now: 0 })
  return rows.map(({ name }) => name)
}

describe('a worker that crashes', () => {
  it('stops the member with a clear error; nobody waits for ever, and closing ends', async () => {
    await start(crashing)
    await shelve(1)
    await shown()
    const crash = runner.call('why', { kind: 'library.shelf', project: '', name: 'crash' })
    await expect(crash).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    expect(fatal.map(({ message }) => message)).toEqual([
      "the projections' worker failed: the worker was told to crash",
    ])
    await expect(names()).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })

  it('during a rebuild makes that fail, and the old rows go on serving', async () => {
    await start(crashing)
    await shelve(5)
    await shown()
    await expect(runner.rebuild()).rejects.toThrow(/worker ended with 3/)
    await shelve(1, 5)
    await shown()
    expect(await names()).toHaveLength(6)
    expect((await readdir(join(directory, 'projections'))).sort()).toEqual(['1', 'current'])
    expect(fatal).toEqual([])
    await runner.close()
    await start(sound)
    await runner.rebuild()
    expect(await names()).toHaveLength(6)
  })
})

describe('closing', () => {
  it('ends a rebuild and everyone who waits; the rows are sound afterwards', async () => {
    await start(sound)
    await shelve(1000)
    await shown()
    const rebuilt = runner.rebuild().then(
      () => 'rebuilt',
      () => 'not rebuilt',
    )
    const waiting = runner.whenProjected(1_000_000, 60_000)
    const stopped = new AbortController()
    const feed = runner.feed(
      { projection: 'shelf_pages', slice: '', fromRevision: 0, history: '' },
      stopped.signal,
    )
    const following = (async () => {
      for await (const _batch of feed) continue
    })()
    const ended = Promise.allSettled([waiting, following])
    await runner.close()
    await rebuilt
    for (const outcome of await ended)
      expect(outcome).toMatchObject({ status: 'rejected', reason: { code: 'UNAVAILABLE' } })
    await start(sound)
    await shown()
    expect(runner.repaired).toBeUndefined()
    expect(await names()).toHaveLength(1000)
    expect((await readdir(join(directory, 'projections'))).length).toBe(2)
  })
})

describe('a rebuild while writes flow', () => {
  it('serves every revision that was served before it, with the digests of a replay', async () => {
    await start(sound)
    await shelve(500)
    const stopped = new AbortController()
    const rebuiltOnce = new AbortController()
    const writes = (async () => {
      for (let i = 500; !stopped.signal.aborted; i++) await shelve(1, i)
    })()
    await shown()
    const rebuilt = runner.rebuild()
    let last = 0
    void rebuilt.finally(() => rebuiltOnce.abort())
    while (!rebuiltOnce.signal.aborted) {
      const { revision } = await runner
        .call('read', { kind: 'library.shelf', now: 0, pageSize: 1 })
        .catch(() => ({ revision: last }))
      expect(revision).toBeGreaterThanOrEqual(last)
      last = revision
      expect(runner.revision).toBeGreaterThanOrEqual(last)
    }
    await rebuilt
    stopped.abort()
    await writes
    await shown()
    const { digests } = await runner.call('digests', {})
    await runner.rebuild()
    await shown()
    expect((await runner.call('digests', {})).digests).toEqual(digests)
  })
})

describe('rows that cannot be trusted', () => {
  it('are made anew when their file is damaged where it is written', async () => {
    await start(sound)
    await shelve(600)
    await shown()
    await runner.close()
    const path = join(directory, 'projections', '1', 'projections.sqlite')
    const file = await open(path, 'r+')
    const { size } = await file.stat()
    for (let at = 4096; at < size; at += 4096) await file.write(Buffer.alloc(64, 0xee), 0, 64, at)
    await file.close()
    await start(sound)
    await shelve(1, 600)
    await shown()
    await expect.poll(() => runner.repaired, { timeout: 20_000 }).toBeTruthy()
    await expect.poll(() => runner.rebuilding, { timeout: 20_000 }).toBe(false)
    expect(await names()).toHaveLength(601)
    expect(await runner.call('scrub', {})).toEqual([])
    expect(fatal).toEqual([])
  })

  it('are made anew when the log is shorter, or another one', async () => {
    await start(sound)
    await shelve(5)
    await shown()
    const shorter = log.committed.slice(0, -2)
    await runner.close()
    await platform.close()
    log = await newLog('shorter rows', shorter)
    await start(sound)
    expect(runner.repaired).toMatch(/the log ends at/)
    await shown()
    await shelve(9, 100)
    await shown()
    await runner.close()
    await platform.close()
    const before = log.committed.length
    log = await newLog('other rows')
    await shelve(before + 5, 1000)
    await start(sound)
    await vi.waitFor(() => expect(runner.repaired).toMatch(/another log/), { timeout: 20_000 })
    await shown()
    expect(await names()).toHaveLength(before + 5)
    expect(runner.resumedRevision).toBe(0)
    expect(fatal).toEqual([])
  })
})

describe('a file that was not filled to its end', () => {
  it('is thrown away: it may hold anything', async () => {
    await shelve(50)
    const generation = join(directory, 'projections', '1')
    await mkdir(generation, { recursive: true })
    const store = new ProjectionStore(join(generation, 'projections.sqlite'), new Registry([libraryDomain]), [
      shelfPages,
    ])
    store.beginLoad()
    store.apply(
      log.committed.slice(0, 20).map(({ index, kind, payload }) => ({
        revision: index,
        record: kind === 'noop' ? null : decodeRecord(payload),
      })),
    )
    store.close()
    await start(sound)
    await shown()
    expect(await names()).toHaveLength(50)
    expect(runner.resumedRevision).toBe(0)
    expect(await runner.call('scrub', {})).toEqual([])
    expect((await readdir(join(directory, 'projections'))).sort()).toEqual(['1', 'current'])
  })
})

describe('a feed', () => {
  it('ends when its projection is quarantined: its follower must not believe that it is up to date', async () => {
    await start(sound)
    await shelve(1)
    await shown()
    const stopped = new AbortController()
    const feed = runner.feed(
      { projection: 'shelf_pages', slice: '', fromRevision: 0, history: '' },
      stopped.signal,
    )
    await feed.next()
    const data = { name: 'cursed' }
    await platform.submit({ type: 'library.CreateShelf', data, actor, commandId: newCommandId() })
    const following = (async () => {
      for await (const _batch of feed) continue
    })()
    await expect(following).rejects.toMatchObject({ code: 'UNAVAILABLE' })
  })
})
