import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Actor } from '../../domains/kernel/domain.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import type { BackupChunk } from '../../edges/control_plane.ts'
import { bootstrap } from '../bootstrap.ts'
import { LocalControlPlane } from '../control_plane.ts'
import { startMember } from '../node.ts'
import { replayBackup } from './replay.ts'
import { temporaryDirectory } from './testing.ts'

const registry = await loadDomains()
const process: Actor = { principal: 'process:test', kind: 'process' }
const never = new AbortController().signal

async function startedCloud(directory: string): Promise<LocalControlPlane> {
  const any = '127.0.0.1:0'
  const config = { listen: { grpc: any, rest: any, peer: any, etcd: any, dns: any } }
  const onFatal = (error: Error): never => {
    throw error
  }
  const member = await startMember({ directory, config, registry, onFatal, warn: () => undefined })
  onTestFinished(() => member.close())
  await bootstrap(member, join(directory, 'admin.token'))
  const { log, platform, runner, masterKey } = member
  return new LocalControlPlane(log, platform, runner, masterKey)
}

async function submit(control: LocalControlPlane, type: string, data: object): Promise<number> {
  const { revision } = await control.submit({ type, data, actor: process, commandId: newCommandId() })
  return revision
}

describe('making a backup', () => {
  it('is authorized, bounded, free again when one ends or is given up, and stops when it is told to', async () => {
    const directory = await temporaryDirectory()
    const control = await startedCloud(join(directory, 'data'))
    await submit(control, 'iam.CreateUser', { name: 'eve' })
    const [eve] = (await control.read(process, { kind: 'iam.user', name: 'eve' })).rows
    const actor: Actor = { principal: String(eve?.['uid']), kind: 'user' }
    await expect(control.backup(actor, never).next()).rejects.toMatchObject({ code: 'PERMISSION_DENIED' })

    const open = [control.backup(process, never), control.backup(process, never)]
    for (const each of open) expect((await each.next()).done).toBe(false)
    const third = (): Promise<IteratorResult<BackupChunk>> => control.backup(process, never).next()
    await expect(third()).rejects.toMatchObject({ code: 'OVERLOADED' })
    await open[0]?.return(undefined)
    const path = join(directory, 'cloud.backup')
    const revision = await submit(control, 'dns.CreateZone', { project: 'default', name: 'demo.test' })
    const whole = await Array.fromAsync(control.backup(process, never))
    await writeFile(path, Buffer.concat(whole.map(({ data }) => data)))
    const replayed = await replayBackup(path, { registry, to: undefined })
    expect([replayed.revision, replayed.differing, whole.at(-1)?.revision]).toEqual([revision, [], revision])

    const aborted = new AbortController()
    const chunks: BackupChunk[] = []
    for await (const chunk of control.backup(process, aborted.signal)) {
      chunks.push(chunk)
      aborted.abort()
    }
    expect(chunks).toHaveLength(1)
    await open[1]?.return(undefined)
  })
})
