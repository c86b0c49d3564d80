import { once } from 'node:events'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { describe, expect, it, onTestFinished } from 'vitest'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import { cli } from '../../edges/cli/testing_cli.ts'
import type { ClusterStatus, CommandReply } from '../../edges/control_plane.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'
import { grpcEdge } from '../../edges/testing/edge.ts'
import { TOKEN } from '../../edges/testing/fake_control_plane.ts'
import {
  administratorOf,
  NodeProcess,
  runUltracloud,
  startUltracloud,
  writeFreePorts,
} from '../testing_node.ts'
import type { NodeFacts } from '../up.ts'
import { backupCommand } from './commands.ts'
import { SampleCloud, temporaryDirectory } from './testing.ts'

const registry = await loadDomains()

interface Running {
  readonly node: NodeProcess
  readonly facts: NodeFacts
  readonly client: ApiClient
}

async function started(directory: string, config: string): Promise<Running> {
  const node = new NodeProcess(directory, config)
  onTestFinished(() => node.kill())
  const facts = await node.ready
  const client = await administratorOf(facts, registry)
  onTestFinished(() => client.close())
  return { node, facts, client }
}

function put(client: ApiClient, name: string, commandId = newCommandId()): Promise<CommandReply> {
  const data = { project: 'default', zone: 'demo.test', name, type: 'A', values: ['10.0.0.1'] }
  return client.command({ type: 'dns.PutRecordSet', data, commandId })
}

async function json(args: readonly string[], facts?: NodeFacts): Promise<Record<string, unknown>> {
  const { code, stdout, stderr } = await runUltracloud([...args, '-o', 'json'], facts)
  if (code !== 0) throw new Error(`${args.join(' ')} ended with ${code}: ${stderr}`)
  return JSON.parse(stdout) as Record<string, unknown>
}

describe('backup', () => {
  it('is taken while commands flow, and restored: nothing acknowledged before it is missing', async () => {
    const directory = await temporaryDirectory()
    const config = await writeFreePorts(directory)
    const data = join(directory, 'data')
    const backup = join(directory, 'cloud.backup')
    const first = await started(data, config)
    await first.client.command({
      type: 'dns.CreateZone',
      data: { project: 'default', name: 'demo.test' },
      commandId: newCommandId(),
    })
    const keptId = newCommandId()
    const kept = await put(first.client, 'kept', keptId)
    const acknowledged = [kept.revision]
    const over = new AbortController()
    const writers = Array.from({ length: 4 }, async (_, writer) => {
      for (let i = 0; !over.signal.aborted; i++)
        acknowledged.push((await put(first.client, `w${writer}-${i % 50}`)).revision)
    })
    const taken: number[] = []
    for (const file of ['first.backup', 'second.backup', 'cloud.backup']) {
      const last = Math.max(...acknowledged)
      const { revision } = await json(['backup', 'create', join(directory, file)], first.facts)
      expect(revision).toBeGreaterThanOrEqual(last)
      taken.push(Number(revision))
    }
    over.abort()
    await Promise.all(writers)
    expect(new Set(taken).size).toBe(3)
    const early = await json(['backup', 'verify', join(directory, 'first.backup')])
    expect(early).toMatchObject({ revision: taken[0], entries: taken[0], differing: [] })
    expect((await stat(backup)).mode & 0o777).toBe(0o600)

    const { revision, digests, differing } = await json(['backup', 'verify', backup])
    expect([revision, differing]).toEqual([taken[2], []])
    const at = Number(revision)
    const rowsAt = (client: ApiClient): Promise<unknown> =>
      client
        .read({ kind: 'dns.record_set', project: 'default', at: String(at), pageSize: 500 })
        .then(({ rows }) => rows)
    const rows = await rowsAt(first.client)
    const serial = await soaSerial(first.client)
    await first.node.stop()
    const masterKey = await readFile(join(data, 'master.key'))
    const token = await readFile(first.facts.tokenFile, 'utf8')
    await rm(data, { recursive: true })

    const restored = await json(['backup', 'restore', backup, '--data', data])
    expect(restored).toMatchObject({ revision, digests, newRevision: at + 1, differing: [] })
    await writeFile(join(data, 'master.key'), masterKey, { mode: 0o600 })
    const second = await started(data, config)
    expect(await readFile(second.facts.tokenFile, 'utf8')).toBe(token)
    expect(await rowsAt(second.client)).toEqual(rows)
    const status = (await second.client.call('ClusterService/Status', {})) as unknown as ClusterStatus
    expect([status.history, status.revision > at]).toEqual([restored['newHistory'], true])
    expect(await soaSerial(second.client)).toBeGreaterThan(serial)

    const again = await put(second.client, 'kept', keptId)
    expect(again).toMatchObject({ revision: kept.revision, duplicate: true, result: kept.result })
    const fresh = await put(second.client, 'fresh')
    expect(fresh.revision).toBeGreaterThan(at + 1)
    expect(fresh.history).toBe(restored['newHistory'])
    const later = join(directory, 'later.backup')
    await json(['backup', 'create', later], second.facts)
    expect((await json(['backup', 'verify', later, '--to', String(at)]))['digests']).toEqual(digests)
    expect(await json(['backup', 'verify', later])).toMatchObject({ differing: [] })
    await second.node.stop()
  }, 240_000)

  it('restored without the master key voids all tokens but the administrator’s, which is made anew', async () => {
    const directory = await temporaryDirectory()
    const config = await writeFreePorts(directory)
    const backup = await livedIn(directory, config)
    const data = join(directory, 'restored')
    const { code, stdout } = await runUltracloud(['backup', 'restore', backup, '--data', data])
    expect(code).toBe(0)
    expect(stdout).toContain('The master key is not in a backup')
    expect(stdout).toContain(`ultracloud up --data ${data}`)
    const { facts, node } = await started(data, config)
    expect((await runUltracloud(['status'], facts)).code).toBe(0)
    const old = { ...facts, tokenFile: join(directory, 'data', 'admin.token') }
    const refused = await runUltracloud(['status'], old)
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('UNAUTHENTICATED')])
    await node.stop()
  }, 120_000)

  it('is for those who may: another user, and no user at all, are refused and leave no file', async () => {
    const directory = await temporaryDirectory()
    const { facts, client, node } = await started(join(directory, 'data'), await writeFreePorts(directory))
    await client.command({ type: 'iam.CreateUser', data: { name: 'eve' }, commandId: newCommandId() })
    await client.command({
      type: 'iam.CreateBinding',
      data: { name: 'eve', user: 'eve', role: 'viewer' },
      commandId: newCommandId(),
    })
    const { result } = await client.command({
      type: 'iam.IssueToken',
      data: { user: 'eve' },
      commandId: newCommandId(),
    })
    const tokenFile = join(directory, 'eve.token')
    await writeFile(tokenFile, String(result['tokenValue']))
    const backup = join(directory, 'cloud.backup')
    const denied = await runUltracloud(['backup', 'create', backup], { ...facts, tokenFile })
    expect([denied.code, denied.stderr]).toEqual([1, expect.stringContaining('PERMISSION_DENIED')])
    await writeFile(tokenFile, 'nonsense')
    const unknown = await runUltracloud(['backup', 'create', backup], { ...facts, tokenFile })
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringContaining('UNAUTHENTICATED')])
    await node.stop()
    const nobody = await runUltracloud(['backup', 'create', backup, '--timeout', '2s'], facts)
    expect([nobody.code, nobody.stderr]).toEqual([3, expect.stringContaining('no member can be reached')])
    expect(await readdir(directory)).not.toContain('cloud.backup')
    expect((await readdir(directory)).filter((name) => name.endsWith('.partial'))).toEqual([])
  }, 120_000)
})

describe('the command line of backup', () => {
  it('leaves nothing behind when it is interrupted', async () => {
    const directory = await temporaryDirectory()
    const { control, address } = await grpcEdge()
    let asked: AbortSignal | undefined
    control.backupSource = async function* (signal) {
      asked = signal
      yield { data: Buffer.from('UCBACKUP'), revision: 0, of: 1 }
      if (!signal.aborted) await once(signal, 'abort')
    }
    const tokenFile = join(directory, 'token')
    await writeFile(tokenFile, TOKEN)
    const backup = join(directory, 'cloud.backup')
    const { child, ended } = startUltracloud(['backup', 'create', backup], { grpc: address, tokenFile })
    await until('a partial file', 20_000, async () => {
      const names = await readdir(directory)
      return asked !== undefined && names.some((name) => name.endsWith('.partial'))
    })
    child.kill('SIGINT')
    expect(await ended).toMatchObject({
      code: 130,
      stdout: '',
      stderr: expect.stringContaining('interrupted'),
    })
    expect(await readdir(directory)).toEqual(['token'])
    await until('the end of the stream', 20_000, async () => asked?.aborted === true)
  })

  it('says where a file is damaged, for people and for programs', async () => {
    const directory = await temporaryDirectory()
    const backup = await SampleCloud.lived(registry, 30).backUp(directory)
    const bytes = await readFile(backup)
    bytes.writeUInt8(bytes.readUInt8(bytes.length - 5) ^ 1, bytes.length - 5)
    await writeFile(backup, bytes)
    const data = join(directory, 'data')
    for (const args of [
      ['backup', 'verify', backup],
      ['backup', 'restore', backup, '--data', data],
    ]) {
      const { code, stdout, stderr } = await runUltracloud(args)
      expect([code, stdout]).toEqual([1, ''])
      expect(stderr).toMatch(/error: BACKUP_DAMAGED: the backup is damaged at byte \d+: .*revision 34/)
      const { stderr: text } = await runUltracloud([...args, '-q', '-o', 'json'])
      expect(JSON.parse(text)).toMatchObject({
        error: { code: 'BACKUP_DAMAGED', details: { lastRevision: 34 }, exitCode: 1 },
      })
    }
    expect(await readdir(directory)).toEqual(['cloud.backup'])
  })

  it('verifies and prints every digest', async () => {
    const directory = await temporaryDirectory()
    const cloud = SampleCloud.lived(registry, 30)
    const backup = await cloud.backUp(directory)
    const { code, stdout, stderr } = await runUltracloud(['backup', 'verify', backup])
    expect([code, stderr]).toEqual([0, expect.stringContaining('ok replaying')])
    expect(stdout).toMatch(/^revision +34$/m)
    for (const { projection, digest } of cloud.end().digests)
      expect(stdout).toContain(`${projection.padEnd(10)}  ${digest}  as recorded`)
  })

  it.each([
    [['backup', 'verify'], 2, "missing required argument 'file'"],
    [['backup', 'restore', 'a.backup'], 2, "required option '--data <dir>' not specified"],
    [['backup', 'verify', 'none.backup'], 1, 'NOT_FOUND: there is no file none.backup'],
    [['backup', 'restore', 'a', '--data', 'd', '--history', 'x'], 2, '--history and --time belong together'],
    [
      ['backup', 'restore', 'a', '--data', 'd', '--history', 'x', '--time', '2026-01-01T00:00:00Z'],
      2,
      '"x" is no id of a history',
    ],
    [
      ['backup', 'restore', 'a', '--data', 'd', '--history', newCommandId(), '--time', 'noon', '--to', '5'],
      2,
      '"noon" is no time',
    ],
    [
      [
        ...['backup', 'restore', 'a', '--data', 'd', '--history', newCommandId(), '--to', '2h'],
        ...['--time', '2026-01-01T00:00:00Z'],
      ],
      2,
      'the same revision on all members',
    ],
    [['backup', 'forget'], 2, 'unknown command'],
  ])('refuses %j', async (args, expected, problem) => {
    const { code, stderr } = await cli(args, { registry, extra: [backupCommand] })
    expect([code, stderr]).toEqual([expected, expect.stringContaining(problem)])
  })

  it('helps with examples', async () => {
    for (const command of ['create', 'verify', 'restore']) {
      const { code, stdout } = await cli(['backup', command, '--help'], { registry, extra: [backupCommand] })
      expect([code, stdout]).toEqual([
        0,
        expect.stringContaining(`$ ultracloud backup ${command} cloud.backup`),
      ])
    }
    expect((await cli(['backup', '--help'], { registry, extra: [backupCommand] })).stdout).toContain(
      'master key',
    )
  })
})

async function until(what: string, milliseconds: number, holds: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + milliseconds
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it did not come about: ${what}`)
    await sleep(10)
  }
}

/** A cloud that has lived in `data`; what is left is that directory and a backup. */
async function livedIn(directory: string, config: string): Promise<string> {
  const { node, facts } = await started(join(directory, 'data'), config)
  const backup = join(directory, 'cloud.backup')
  await json(['backup', 'create', backup], facts)
  await node.stop()
  return backup
}

/** The serial of demo.test as a name server would get it. */
async function soaSerial(client: ApiClient): Promise<number> {
  const request = { projection: 'zones', slice: '', fromRevision: 0, history: '' }
  const ended = new AbortController()
  for await (const { changes } of client.feedMessages(request, ended.signal)) {
    const rows = changes.map(({ rowJson }) => JSON.parse(rowJson ?? 'null') as Record<string, unknown> | null)
    const zone = rows.find((row) => row?.['set'] === 'zone')
    if (zone === undefined || zone === null) continue
    ended.abort()
    return Number(zone['serial'])
  }
  throw new Error('the feed of zones has no zone')
}
