import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { expect, it, vi } from 'vitest'
import { openLog } from '../../log/node.ts'
import { Platform } from '../kernel/platform.ts'
import { Registry } from '../kernel/registry.ts'
import kv from './index.ts'
import state from './state.ts'

const KEYS = 300
const actor = { principal: 'process:test', kind: 'process' } as const

async function withPlatform(directory: string, use: (platform: Platform) => Promise<void>): Promise<void> {
  const fatal: Error[] = []
  const failed = (error: Error): number => fatal.push(error)
  const log = await openLog({
    directory: join(directory, 'log'),
    clusterId: 'test',
    memberId: 1,
    members: [{ id: 1, name: 'one', peerAddress: '127.0.0.1:0', clientAddress: '' }],
    listen: { host: '127.0.0.1', port: 0 },
    clusterSecret: 'secret',
    failed,
  })
  const rows = join(directory, 'rows')
  const platform = await Platform.open({
    log,
    registry: new Registry([kv]),
    directory: rows,
    onFatal: failed,
  })
  try {
    await vi.waitFor(() => expect(platform.leading).toBe(true), { timeout: 10_000 })
    await use(platform)
    expect(fatal).toEqual([])
  } finally {
    await platform.close()
    await log.close()
  }
}

const put = (platform: Platform, key: string, value: string) =>
  platform.submit({
    type: 'kv.Put',
    data: { key, value, lease: '0', previous: false, ignoreValue: false, ignoreLease: false },
    actor,
    commandId: '',
  })

it('makes the rows anew from the log while it runs, when a decision meets a damaged one, and decides on', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-repair-'))
  try {
    let before = ''
    await withPlatform(directory, async (platform) => {
      await Promise.all(Array.from({ length: KEYS }, (_, i) => put(platform, `key ${i}`, `value ${i}`)))
      before = JSON.stringify([...platform.engine.state.view(state).keys.values()])
    })
    const database = new ClassicLevel(join(directory, 'rows'))
    await database.open()
    const row = 'disk\0kv.keys\0key 7'
    await database.put(row, ((await database.get(row)) as string).replace('value 7', 'value 8'))
    await database.close()
    await withPlatform(directory, async (platform) => {
      expect(platform.repaired).toBeUndefined()
      const { revision } = await put(platform, 'other', '')
      await expect(put(platform, 'key 7', 'new')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      await vi.waitFor(() => expect(platform.repaired).toMatch(/key 7.+has another checksum/), {
        timeout: 5000,
      })
      await vi.waitFor(() => expect(platform.leading && platform.applied.revision >= revision).toBe(true), {
        timeout: 10_000,
      })
      const { result } = await platform.submit({
        type: 'kv.DeleteRange',
        data: { key: 'other', rangeEnd: '', previous: false },
        actor,
        commandId: '',
      })
      expect(result).toMatchObject({ deleted: 1 })
      const keys = platform.engine.state.view(state).keys
      expect(keys.get('key 7')?.value).toBe('value 7')
      expect(keys.size).toBe(KEYS)
      expect(JSON.stringify([...keys.values()])).toBe(before)
    })
  } finally {
    await rm(directory, { recursive: true })
  }
}, 60_000)
