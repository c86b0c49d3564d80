import { mkdir, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { Engine } from '../../domains/kernel/engine.ts'
import { decodeRecord } from '../../domains/kernel/record.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { dump } from '../../domains/kernel/testing.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import type { Entry } from '../../log/log.ts'
import { readLog } from '../../log/storage/offline.ts'
import type { NodeConfig } from '../config.ts'
import { replayBackup } from './replay.ts'
import { type RestoreOptions, restoreBackup } from './restore.ts'
import { CLUSTER, HISTORY, SampleCloud, temporaryDirectory } from './testing.ts'

let registry: Registry
let cloud: SampleCloud

beforeAll(async () => {
  registry = await loadDomains()
  cloud = SampleCloud.lived(registry, 60)
})

function optionsFor(directory: string, more: Partial<RestoreOptions> = {}): RestoreOptions {
  return { registry, directory, to: undefined, config: {}, beginning: undefined, ...more }
}

async function entriesIn(directory: string): Promise<readonly Entry[]> {
  return (await Array.fromAsync(readLog(join(directory, 'chainfire')))).flat()
}

const plain = ({ payload, ...rest }: Entry): object => ({
  ...rest,
  payload: Buffer.from(payload).toString('hex'),
})

describe('restore', () => {
  it('makes a directory with the same entries, and one more that begins a new history', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    const data = join(directory, 'below', 'data')
    const { revision, newHistory, newRevision, newTime, digests, differing } = await restoreBackup(
      backup,
      optionsFor(data),
    )
    expect([revision, newRevision, differing]).toEqual([cloud.revision, cloud.revision + 1, []])
    expect(digests).toEqual(cloud.moments.get(revision)?.digests)
    const entries = await entriesIn(data)
    const last = entries.at(-1) as Entry
    expect(entries.slice(0, -1).map(plain)).toEqual(cloud.entries.map(plain))
    expect(decodeRecord(last.payload)).toEqual({
      kind: 'history',
      time: newTime,
      history: newHistory,
      parent: HISTORY,
      parentRevision: revision,
    })
    expect(newHistory).not.toBe(HISTORY)
    expect(Math.abs(newTime - Date.now())).toBeLessThan(60_000)
    expect((await stat(data)).mode & 0o777).toBe(0o700)
    expect(await readdir(join(directory, 'below'))).toEqual(['data'])
  })

  it('gives the cloud as it was at any revision: rows and digests', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    for (const [revision, { state, digests }] of cloud.moments) {
      if (revision < 2) continue
      const replayed = await replayBackup(backup, { registry, to: String(revision) })
      expect([replayed.revision, replayed.digests]).toEqual([revision, digests])
      expect(dump(replayed.state)).toBe(state)
      expect(replayed.differing).toEqual(revision === cloud.revision ? [] : undefined)
    }
    const data = join(directory, 'data')
    const middle = 33
    await restoreBackup(backup, optionsFor(data, { to: String(middle) }))
    const engine = new Engine(registry)
    const entries = await entriesIn(data)
    for (const { index, kind, payload } of entries.slice(0, middle)) {
      if (kind === 'data') engine.apply(decodeRecord(payload), index)
      engine.state.journal.take()
    }
    expect(entries).toHaveLength(middle + 1)
    expect(dump(engine.state)).toBe(cloud.moments.get(middle)?.state)
  })

  it('gives the cloud as it was at any time', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    const { time } = cloud.moments.get(40) ?? { time: 0 }
    const last = Math.max(
      ...[...cloud.moments].filter(([, moment]) => moment.time <= time).map(([revision]) => revision),
    )
    const at = async (to: string): Promise<number> => (await replayBackup(backup, { registry, to })).revision
    expect(await at(new Date(time).toISOString())).toBe(last)
    expect(await at(new Date(time + 59_999).toISOString())).toBe(last)
    expect(await at(new Date(time + 60_000).toISOString())).toBeGreaterThan(last)
    expect(await at('1d')).toBe(cloud.revision)
    const halfAMinuteLater = Math.round((Date.now() - time) / 1000) - 30
    expect(await at(`${halfAMinuteLater}s`)).toBe(last)
  })

  it.each([
    ['1', 'REVISION_UNKNOWN', 'there was no cloud yet at 1'],
    ['0', 'REVISION_UNKNOWN', 'there was no cloud yet at 0'],
    ['100000', 'REVISION_UNKNOWN', '100000 is not in it'],
    ['2001-01-01', 'REVISION_UNKNOWN', 'there was no cloud yet at 2001-01-01'],
    ['yesterday', 'INVALID_ARGUMENT', '"yesterday" is no moment'],
  ])('refuses to go to %s', async (to, code, problem) => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    const restoring = restoreBackup(backup, optionsFor(join(directory, 'data'), { to }))
    await expect(restoring).rejects.toMatchObject({ code, message: expect.stringContaining(problem) })
    expect(await readdir(directory)).toEqual(['cloud.backup'])
  })

  it('fills an empty directory, and refuses one that is not', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    const data = join(directory, 'data')
    await mkdir(data)
    await restoreBackup(backup, optionsFor(data))
    const before = await readdir(data)
    await expect(restoreBackup(backup, optionsFor(data))).rejects.toMatchObject({ code: 'ALREADY_EXISTS' })
    expect(await readdir(data)).toEqual(before)
    const file = join(directory, 'file')
    await writeFile(file, 'a file')
    await expect(restoreBackup(backup, optionsFor(file))).rejects.toThrow('ENOTDIR')
  })

  it('refuses what comes out otherwise than it was recorded, and compares nothing with another build', async () => {
    const directory = await temporaryDirectory()
    const end = cloud.end()
    const digests = end.digests.map((each) =>
      each.projection === 'zones' ? { ...each, digest: '00' } : each,
    )
    const data = join(directory, 'data')
    const wrong = await cloud.backUp(directory, { ...end, digests })
    await expect(restoreBackup(wrong, optionsFor(data))).rejects.toThrow('in zones: nothing was restored')
    expect(await readdir(directory)).toEqual(['cloud.backup'])
    const other = await cloud.backUp(directory, { ...end, digests, layout: 'of another build' })
    const { differing, revision } = await restoreBackup(other, optionsFor(data))
    expect([differing, revision]).toEqual([undefined, cloud.revision])
  })

  it('makes the same log for each member of a cluster', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    const members = [1, 2, 3].map((id) => ({
      id,
      name: `m${id}`,
      peer: `127.0.0.1:${id}`,
      client: `127.0.0.1:${id + 10}`,
    }))
    const configOf = (member: number): NodeConfig => ({
      cluster: { id: 'three', secretFile: 'secret', masterKeyFile: 'key', member, members },
    })
    const data = (member: number): string => join(directory, `member-${member}`)
    const first = await restoreBackup(backup, optionsFor(data(1), { config: configOf(1), to: '30' }))
    const beginning = { history: first.newHistory, time: first.newTime }
    for (const member of [2, 3])
      await restoreBackup(backup, optionsFor(data(member), { config: configOf(member), to: '30', beginning }))
    const logs = await Promise.all([1, 2, 3].map((member) => entriesIn(data(member))))
    expect(logs[1]?.map(plain)).toEqual(logs[0]?.map(plain))
    expect(logs[2]?.map(plain)).toEqual(logs[0]?.map(plain))
    expect(await readdir(data(2))).toEqual(['chainfire', 'restored.json'])
  })

  it('keeps the cluster’s id, which is no secret, where a node is a cluster of its own', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    await restoreBackup(backup, optionsFor(join(directory, 'data')))
    expect((await readdir(join(directory, 'data'))).sort()).toEqual([
      'chainfire',
      'cluster.id',
      'restored.json',
    ])
    const { head } = await replayBackup(backup, { registry, to: undefined })
    expect(head.clusterId).toBe(CLUSTER)
  })

  it('never goes back in time: a new history begins after what it goes on from', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    const beginning = { history: newCommandId(), time: 1000 }
    const { newTime, time } = await restoreBackup(backup, optionsFor(join(directory, 'data'), { beginning }))
    expect(newTime).toBe(time)
  })

  it('stops when it is told to, and leaves nothing behind', async () => {
    const directory = await temporaryDirectory()
    const backup = await cloud.backUp(directory)
    const data = join(directory, 'data')
    await expect(restoreBackup(backup, optionsFor(data, { signal: AbortSignal.abort() }))).rejects.toThrow(
      'aborted',
    )
    const late = new AbortController()
    const onProgress = (): void => late.abort()
    await expect(
      restoreBackup(backup, optionsFor(data, { signal: late.signal, onProgress })),
    ).rejects.toThrow('aborted')
    expect(await readdir(directory)).toEqual(['cloud.backup'])
  })
})
