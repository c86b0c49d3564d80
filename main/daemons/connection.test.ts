import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { loadDomains } from '../../domains/load.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { daemonToken } from '../accounts.ts'
import { bootstrap } from '../bootstrap.ts'
import { type MemberNode, startMember } from '../node.ts'
import { runUltracloud } from '../testing_node.ts'
import { Connection } from './connection.ts'

let directory: string
let member: MemberNode
let admin: ApiClient
const failures: Error[] = []
const lines: string[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-connection-'))
  const registry = await loadDomains()
  const any = '127.0.0.1:0'
  member = await startMember({
    directory,
    config: { listen: { grpc: any, peer: any, rest: any, etcd: any } },
    registry,
    onFatal: (error) => failures.push(error),
    warn: (line) => lines.push(line),
  })
  const tokenFile = join(directory, 'admin.token')
  expect(await bootstrap(member, tokenFile)).toBe(true)
  admin = new ApiClient(new Api(registry), member.grpcAddress, (await readFile(tokenFile, 'utf8')).trim())
})

afterAll(async () => {
  admin.close()
  await member.close()
  await rm(directory, { recursive: true })
  expect(failures).toEqual([])
})

async function connect(join: string, role: 'dns' | 'host' = 'dns'): Promise<Connection> {
  const token = (await readFile(await daemonToken(admin, role, 'one', directory), 'utf8')).trim()
  return Connection.open({ join: [join], token, name: 'one', log: (line) => lines.push(line) })
}

describe('a daemon’s connection', () => {
  it('follows a feed and is heard of; closing it is no fault', async () => {
    const connection = await connect(member.grpcAddress)
    const fatal: Error[] = []
    let revision = 0
    connection.follow(
      'zones',
      '',
      (batch) => {
        ;({ revision } = batch)
        connection.beatNow()
      },
      (error) => fatal.push(error),
    )
    connection.heartbeat('dns/one', () => ({ realizedRevision: revision, history: member.platform.history }))
    await vi.waitFor(
      () => expect(member.platform.heartbeats.of('dns/one')?.realizedRevision).toBeGreaterThan(0),
      { timeout: 10_000 },
    )
    await connection.close()
    expect(fatal).toEqual([])
  })

  it('waits for a member that has not heard of its host yet, and believes a refusal that lasts', async () => {
    const connection = await connect(member.grpcAddress, 'host')
    const fatal: Error[] = []
    const seen: number[] = []
    const follow = (slice: string): void =>
      connection.follow(
        'hosts',
        slice,
        ({ revision }) => {
          seen.push(revision)
        },
        (error) => fatal.push(error),
      )
    follow('')
    await vi.waitFor(() => expect(fatal).toHaveLength(1), { timeout: 15_000 })
    expect(fatal[0]).toMatchObject({ code: 'PERMISSION_DENIED' })
    const { result } = await connection.command('vm.RegisterHost', {
      name: 'late',
      vcpus: 1,
      memoryMebibytes: 1024,
      acceleration: 'tcg',
    })
    const authorized = vi.spyOn(member.platform.engine, 'authorize').mockImplementation(() => {
      throw new Rejection('PERMISSION_DENIED', 'this member knows no such host yet')
    })
    follow(String(result['uid']))
    await vi.waitFor(() => expect(authorized.mock.calls.length).toBeGreaterThan(1), { timeout: 5000 })
    expect(seen).toEqual([])
    authorized.mockRestore()
    await vi.waitFor(() => expect(seen.length).toBeGreaterThan(0), { timeout: 5000 })
    expect(fatal).toHaveLength(1)
    await connection.close()
  })

  it('goes on to the next member when one does not answer', async () => {
    const token = (await readFile(await daemonToken(admin, 'dns', 'one', directory), 'utf8')).trim()
    const connection = await Connection.open({
      join: ['127.0.0.1:1', member.grpcAddress],
      token,
      name: 'one',
      log: (line) => lines.push(line),
    })
    const fatal: Error[] = []
    const followed = Promise.withResolvers<void>()
    connection.follow(
      'zones',
      '',
      () => followed.resolve(),
      (error) => fatal.push(error),
    )
    await followed.promise
    await expect(connection.command('iam.CreateOrganization', { name: 'z' })).rejects.toMatchObject({
      code: 'PERMISSION_DENIED',
    })
    await connection.close()
    expect(fatal).toEqual([])
  })

  it('tells who waits for a command that it is closed, and calls that no fault of the feed', async () => {
    const connection = await connect(member.grpcAddress)
    const nobody = await Connection.open({
      join: ['127.0.0.1:1'],
      token: 'x',
      name: 'one',
      log: () => undefined,
    })
    const fatal: Error[] = []
    const taken = Promise.withResolvers<void>()
    const take = async (): Promise<void> => {
      taken.resolve()
      await nobody.command('iam.CreateOrganization', { name: 'y' })
    }
    connection.follow('zones', '', take, (error) => fatal.push(error))
    await taken.promise
    const began = performance.now()
    const closed = connection.close()
    await nobody.close()
    await closed
    expect(performance.now() - began).toBeLessThan(5000)
    expect(fatal).toEqual([])
    await expect(nobody.command('iam.CreateOrganization', { name: 'z' })).rejects.toMatchObject({
      code: 'UNAVAILABLE',
    })
  })
})

describe('where a daemon joins', () => {
  it('is an address, and wrong before anything is tried when it is none', async () => {
    const { code, stderr } = await runUltracloud(['host', '--join', 'nonsense', '--token', 'x'])
    expect([code, stderr]).toEqual([2, 'error: --join: "nonsense" is no host:port, such as 127.0.0.1:7420\n'])
    const second = await runUltracloud(['balancer', '--join', '127.0.0.1:7420,nonsense', '--token', 'x'])
    expect([second.code, second.stderr]).toEqual([code, stderr])
  })
})

describe('a daemon’s token', () => {
  it('is kept while it works, and replaced when it is revoked or unknown here', async () => {
    const file = await daemonToken(admin, 'balancer', 'one', directory)
    const first = await readFile(file, 'utf8')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
    expect(await readFile(await daemonToken(admin, 'balancer', 'one', directory), 'utf8')).toBe(first)
    const uid = first.trim().split('_')[1] ?? ''
    await admin.command({ type: 'iam.RevokeToken', data: { token: uid }, commandId: undefined })
    const second = await readFile(await daemonToken(admin, 'balancer', 'one', directory), 'utf8')
    expect(second).not.toBe(first)
    await writeFile(file, 'nonsense\n')
    const third = await readFile(await daemonToken(admin, 'balancer', 'one', directory), 'utf8')
    expect(third).not.toBe('nonsense\n')
    expect((await stat(file)).mode & 0o777).toBe(0o600)
  })
})
