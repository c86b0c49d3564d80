import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Log } from '../../log/log.ts'
import { openLog } from '../../log/node.ts'
import type { Actor } from './domain.ts'
import { Platform } from './platform.ts'
import { Registry } from './registry.ts'
import libraryDomain from './sample/index.ts'
import { dump } from './testing.ts'
import { newCommandId } from './uuid.ts'

const actor: Actor = { principal: 'anna', kind: 'user' }
const registry = new Registry([libraryDomain])
let directory: string
let fatal: Error[]
const opened: { log: Log; platform: Platform }[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-platform-'))
  fatal = []
})

afterEach(async () => {
  for (const each of opened.splice(0)) await close(each)
  await rm(directory, { recursive: true })
})

async function close({ log, platform }: { log: Log; platform: Platform }): Promise<void> {
  await platform.close()
  await log.close()
}

async function start(): Promise<{ log: Log; platform: Platform }> {
  const member = { id: 1, name: 'one', peerAddress: '127.0.0.1:0', clientAddress: '' }
  const log = await openLog({
    directory: join(directory, 'log'),
    clusterId: 'test',
    memberId: 1,
    members: [member],
    listen: { host: '127.0.0.1', port: 0 },
    clusterSecret: 'secret',
    failed: (error) => fatal.push(error),
  })
  const platform = await Platform.open({
    log,
    registry,
    directory: join(directory, 'rows'),
    onFatal: (error) => fatal.push(error),
  })
  opened.push({ log, platform })
  await vi.waitFor(() => expect(platform.leading).toBe(true), { timeout: 10_000 })
  return { log, platform }
}

const shelf = (name: string, commandId = newCommandId()) => ({
  type: 'library.CreateShelf',
  data: { name },
  actor,
  commandId,
})

describe('a platform over a log of one member', () => {
  it('begins a history, commits commands, and answers with the revision', async () => {
    const { platform, log } = await start()
    const replies = await Promise.all(['a', 'b', 'c'].map((name) => platform.submit(shelf(name))))
    const revisions = replies.map(({ revision }) => revision)
    expect(revisions).toEqual([revisions[0], Number(revisions[0]) + 1, Number(revisions[0]) + 2])
    expect(platform.applied.revision).toBe(log.status().commitIndex)
    expect(platform.history).toMatch(/^[0-9a-f-]{36}$/)
    expect(fatal).toEqual([])
  })

  it('answers a retry with the first answer, and a dry run with what would happen', async () => {
    const { platform } = await start()
    const commandId = newCommandId()
    const first = await platform.submit(shelf('a', commandId))
    const again = await platform.submit(shelf('a', commandId))
    expect(again).toMatchObject({ revision: first.revision, result: first.result, duplicate: true })
    const before = dump(platform.engine.state)
    const dry = await platform.submit({ ...shelf('b'), dryRun: true })
    expect(dry.record?.events).toMatchObject([{ type: 'library.ShelfCreated', data: { name: 'b' } }])
    expect(dump(platform.engine.state)).toBe(before)
  })

  it('rejects with a code, and nothing is appended', async () => {
    const { platform, log } = await start()
    await platform.submit(shelf('a'))
    const { lastIndex } = log.status()
    await expect(platform.submit(shelf('a'))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    await expect(platform.submit({ ...shelf('x'), type: 'library.Nothing' })).rejects.toMatchObject({
      code: 'UNKNOWN_COMMAND',
    })
    expect(log.status().lastIndex).toBe(lastIndex)
  })

  it('starts again from its rows, with the same state and the same dedupe', async () => {
    const first = await start()
    const commandId = newCommandId()
    const reply = await first.platform.submit(shelf('a', commandId))
    for (let i = 0; i < 50; i++) await first.platform.submit(shelf(`s${i}`))
    const before = dump(first.platform.engine.state)
    await close(opened.pop() as (typeof opened)[0])
    const second = await start()
    expect(second.platform.repaired).toBeUndefined()
    expect(dump(second.platform.engine.state)).toBe(before)
    expect(await second.platform.submit(shelf('a', commandId))).toMatchObject({
      revision: reply.revision,
      duplicate: true,
    })
  })

  it('notices damaged rows, and makes them anew from the log', async () => {
    const first = await start()
    for (let i = 0; i < 200; i++) await first.platform.submit(shelf(`s${i}`))
    const before = dump(first.platform.engine.state)
    await close(opened.pop() as (typeof opened)[0])
    const rows = join(directory, 'rows')
    const files = (await readdir(rows)).filter((name) => /\.(log|ldb)$/.test(name))
    for (const name of files) {
      const bytes = await readFile(join(rows, name))
      if (bytes.length > 3000) bytes[1500] = (bytes[1500] as number) ^ 1
      await writeFile(join(rows, name), bytes)
    }
    const second = await start()
    expect(second.platform.repaired).toBeTruthy()
    expect(dump(second.platform.engine.state)).toBe(before)
  })
})
