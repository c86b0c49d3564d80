import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Actor } from '../../domains/kernel/domain.ts'
import { Platform } from '../../domains/kernel/platform.ts'
import { Registry } from '../../domains/kernel/registry.ts'
import libraryDomain from '../../domains/kernel/sample/index.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import type { Log } from '../../log/log.ts'
import { openLog } from '../../log/node.ts'
import type { FeedBatch } from './changes.ts'
import { sealMeta } from './meta.ts'
import { Runner } from './runner.ts'

const actor: Actor = { principal: 'anna', kind: 'user' }
const fatal = (error: Error): void => {
  throw error
}
let directory: string
let log: Log
let platform: Platform
let runner: Runner

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-runner-'))
  await start()
})

afterEach(async () => {
  await stop()
  await rm(directory, { recursive: true })
})

async function start(): Promise<void> {
  log = await openLog({
    directory: join(directory, 'log'),
    clusterId: 'test',
    memberId: 1,
    members: [{ id: 1, name: 'one', peerAddress: '127.0.0.1:0', clientAddress: '' }],
    listen: { host: '127.0.0.1', port: 0 },
    clusterSecret: 'secret',
    failed: fatal,
  })
  platform = await Platform.open({
    log,
    registry: new Registry([libraryDomain]),
    directory: join(directory, 'rows'),
    onFatal: fatal,
  })
  runner = await Runner.open({
    log,
    directory: join(directory, 'projections'),
    worker: new URL('./sample/worker.ts', import.meta.url),
    onFatal: fatal,
  })
  await vi.waitFor(() => expect(platform.leading).toBe(true), { timeout: 10_000 })
}

async function stop(): Promise<void> {
  await runner.close()
  await platform.close()
  await log.close()
}

async function run(command: string, data: object): Promise<number> {
  const { revision } = await platform.submit({
    type: `library.${command}`,
    data,
    actor,
    commandId: newCommandId(),
  })
  await runner.whenProjected(revision, 10_000)
  return revision
}

const books = (more: object = {}) => runner.call('read', { kind: 'library.book', now: Date.now(), ...more })
const names = (rows: readonly Readonly<Record<string, unknown>>[]) => rows.map((row) => row['name'])

describe('reads', () => {
  it('show rows with their stamps, by name, by label and by field', async () => {
    await run('CreateShelf', { name: 'top', labels: { room: 'a' } })
    const revision = await run('AddBook', { name: 'emma', shelf: 'top', pages: 300 })
    const { rows } = await books({ name: 'emma' })
    expect(rows).toMatchObject([{ name: 'emma', pages: 300, revision }])
    expect(
      names(
        (await runner.call('read', { kind: 'library.shelf', filter: { 'label.room': 'a' }, now: 0 })).rows,
      ),
    ).toEqual(['top'])
    expect(names((await books({ filter: { pages: '300' } })).rows)).toEqual(['emma'])
    await expect(books({ filter: { colour: 'red' } })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })

  it('travel in time, and say what changed between two moments', async () => {
    await run('CreateShelf', { name: 'top' })
    const before = await run('AddBook', { name: 'emma', shelf: 'top', pages: 1 })
    await run('ResizeShelf', { name: 'top', capacity: 9 })
    const after = await run('DeleteShelf', { name: 'top' })
    expect((await books()).rows).toEqual([])
    expect(names((await books({ at: String(before) })).rows)).toEqual(['emma'])
    const kinds = ['library.shelf', 'library.book']
    const { differences } = await runner.call('diff', { kinds, from: String(before), to: undefined, now: 0 })
    expect(differences.map(({ kind, after: now }) => [kind, now])).toEqual([
      ['library.shelf', null],
      ['library.book', null],
    ])
    const entries = await runner.call('why', { kind: 'library.shelf', project: '', name: 'top' })
    expect(entries.map(({ command }) => command)).toEqual([
      'library.CreateShelf',
      'library.ResizeShelf',
      'library.DeleteShelf',
    ])
    await expect(books({ at: String(after + 1) })).rejects.toMatchObject({ code: 'REVISION_UNKNOWN' })
    await expect(books({ at: 'yesterday' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
    await expect(books({ at: '1000w' })).rejects.toMatchObject({ code: 'REVISION_UNKNOWN' })
  })

  it('give pages that all show one revision, whatever happens between them', async () => {
    await run('CreateShelf', { name: 'top', capacity: 100 })
    for (const name of ['a', 'c', 'e']) await run('AddBook', { name, shelf: 'top', pages: 1 })
    const first = await books({ pageSize: 2 })
    expect(names(first.rows)).toEqual(['a', 'c'])
    await run('AddBook', { name: 'd', shelf: 'top', pages: 1 })
    const second = await books({ pageSize: 2, pageToken: first.nextPageToken })
    expect(names(second.rows)).toEqual(['e'])
    expect(second.revision).toBe(first.revision)
    expect(second.nextPageToken).toBe('')
    await expect(books({ pageToken: 'nonsense' })).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' })
  })
})

describe('projections', () => {
  it('go on from their checkpoint after a restart, with the same digests', async () => {
    await run('CreateShelf', { name: 'top', capacity: 100 })
    for (let i = 0; i < 30; i++) await run('AddBook', { name: `b${i}`, shelf: 'top', pages: i + 1 })
    const { digests, checkpoint } = await runner.call('digests', {})
    await stop()
    await start()
    await runner.whenProjected(checkpoint.revision, 10_000)
    expect((await runner.call('digests', {})).digests).toEqual(digests)
    expect(await runner.call('scrub', {})).toEqual([])
  })

  it('are built anew beside the ones that serve, with the same digests', async () => {
    await run('CreateShelf', { name: 'top', capacity: 100 })
    for (let i = 0; i < 30; i++) await run('AddBook', { name: `b${i}`, shelf: 'top', pages: 1 })
    const { digests } = await runner.call('digests', {})
    const rebuilt = runner.rebuild()
    expect(names((await books({ name: 'b7' })).rows)).toEqual(['b7'])
    await rebuilt
    expect((await runner.call('digests', {})).digests).toEqual(digests)
    expect(await readdir(join(directory, 'projections'))).toEqual(['2', 'current'])
  })

  it('are scrubbed: a changed row is found, and a rebuild repairs it', async () => {
    await run('CreateShelf', { name: 'top' })
    await run('AddBook', { name: 'emma', shelf: 'top', pages: 300 })
    const file = new DatabaseSync(join(directory, 'projections', '1', 'projections.sqlite'))
    file.exec(`UPDATE "library.book" SET data = replace(data, '300', '301')`)
    file.close()
    expect(await runner.call('scrub', {})).toEqual(['library.book'])
    await runner.rebuild()
    expect(await runner.call('scrub', {})).toEqual([])
    expect((await books()).rows).toMatchObject([{ pages: 300 }])
  })

  it('made by another build, or no database at all, are made anew', async () => {
    await run('CreateShelf', { name: 'top' })
    await stop()
    const path = join(directory, 'projections', '1', 'projections.sqlite')
    const file = new DatabaseSync(path)
    const another = sealMeta('layout', 'another')
    file.prepare(`UPDATE meta SET value = ? WHERE key = 'layout'`).run(another)
    file.close()
    await start()
    expect(runner.repaired).toMatch(/another build/)
    await runner.whenProjected(platform.applied.revision, 10_000)
    expect((await runner.call('read', { kind: 'library.shelf', now: 0 })).rows).toHaveLength(1)
  })

  it('that choke on an entry are quarantined, and the others go on', async () => {
    await run('CreateShelf', { name: 'cursed' })
    await run('CreateShelf', { name: 'top' })
    expect(runner.quarantined['shelf_pages']).toContain('the shelf is cursed')
    expect((await runner.call('read', { kind: 'library.shelf', now: 0 })).rows).toHaveLength(2)
  })
})

describe('feeds', () => {
  const request = (fromRevision: number, history: string) => ({
    projection: 'shelf_pages',
    slice: '',
    fromRevision,
    history,
  })

  async function take(
    feed: AsyncGenerator<FeedBatch>,
    until: (batch: FeedBatch) => boolean,
  ): Promise<FeedBatch[]> {
    const batches: FeedBatch[] = []
    for await (const batch of feed) {
      batches.push(batch)
      if (until(batch)) break
    }
    return batches
  }

  it('begin with a snapshot and go on with changes in order; they resume where they were', async () => {
    await run('CreateShelf', { name: 'top' })
    const stopped = new AbortController()
    const feed = runner.feed(request(0, ''), stopped.signal)
    const { value: snapshot } = (await feed.next()) as { value: FeedBatch }
    expect(snapshot.reset).toBe(true)
    expect(snapshot.changes.map(({ data }) => JSON.parse(data ?? ''))).toEqual([{ shelf: 'top', pages: 0 }])
    const second = await run('AddBook', { name: 'emma', shelf: 'top', pages: 300 })
    const [change] = (await take(feed, ({ changes }) => changes.length > 0)).slice(-1)
    expect(change).toMatchObject({ reset: false, revision: second })
    expect(JSON.parse(change?.changes[0]?.data ?? '')).toEqual({ shelf: 'top', pages: 300 })
    await run('DeleteShelf', { name: 'top' })
    const resumed = await take(
      runner.feed(request(second, snapshot.history), stopped.signal),
      ({ changes }) => changes.length > 0,
    )
    expect(resumed.at(-1)?.changes[0]?.data).toBeNull()
    stopped.abort()
  })

  it('give a follower of another history a snapshot', async () => {
    await run('CreateShelf', { name: 'top' })
    const stopped = new AbortController()
    const [batch] = await take(runner.feed(request(2, 'another'), stopped.signal), () => true)
    expect(batch?.reset).toBe(true)
    stopped.abort()
  })

  it('cut a large snapshot into batches of one revision', async () => {
    for (let i = 0; i < 600; i++)
      void platform.submit({
        type: 'library.CreateShelf',
        data: { name: `s${i}` },
        actor,
        commandId: newCommandId(),
      })
    await run('CreateShelf', { name: 'last' })
    const stopped = new AbortController()
    const batches = await take(runner.feed(request(0, ''), stopped.signal), ({ more }) => !more)
    expect(batches).toHaveLength(2)
    expect(new Set(batches.flatMap(({ changes }) => changes.map(({ key }) => key))).size).toBe(601)
    expect(new Set(batches.map(({ revision }) => revision)).size).toBe(1)
    stopped.abort()
  })
})
