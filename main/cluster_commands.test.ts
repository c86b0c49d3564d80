import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { type CliResult, cli } from '../edges/cli/testing_cli.ts'
import { clusterCommand } from './cluster_commands.ts'
import { listenOf, readConfig } from './config.ts'

const a = 'a=10.0.0.1:7421,10.0.0.1:7420'
const b = 'b=10.0.0.2:7421,10.0.0.2:7420'
const c = 'c=10.0.0.3:7421,10.0.0.3:7420,10.0.0.3:8080'

async function emptyDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-cluster-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

function init(directory: string, members: readonly string[], ...more: string[]): Promise<CliResult> {
  const flags = members.flatMap((member) => ['--member', member])
  return cli(['cluster', 'init', '--directory', directory, ...flags, ...more], { extra: [clusterCommand] })
}

describe('cluster init', () => {
  it('writes what each member needs, for its owner alone, and says how to start them', async () => {
    const directory = join(await emptyDirectory(), 'new')
    const { code, stdout, stderr } = await init(directory, [a, b, c], '--roles', 'member,dns')
    expect([code, stderr]).toEqual([0, ''])
    const certificates = ['ca.crt', 'member-a.crt', 'member-b.crt', 'member-c.crt']
    const secret = ['ca.key', 'member-a.key', 'member-b.key', 'member-c.key']
    const files = ['a.json', 'b.json', 'c.json', 'cluster.secret', 'master.key', ...secret]
    expect((await readdir(directory)).sort()).toEqual([...files, ...certificates].sort())
    for (const file of files) expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600)
    for (const name of ['a', 'b', 'c'])
      expect(stdout).toContain(`ultracloud up --data work/${name} --config ${join(directory, name)}.json`)
    const secrets = await Promise.all(
      ['cluster.secret', 'master.key'].map((file) => readFile(join(directory, file), 'utf8')),
    )
    for (const secret of secrets) expect(secret).toMatch(/^[0-9a-f]{64}\n$/)
    expect(secrets[0]).not.toBe(secrets[1])
    const [first, , third] = await Promise.all(
      ['a', 'b', 'c'].map((name) => readConfig(join(directory, `${name}.json`))),
    )
    expect(first).toMatchObject({ name: 'a', roles: ['member', 'dns'], cluster: { member: 1 } })
    expect(first?.cluster).toMatchObject({
      secretFile: join(directory, 'cluster.secret'),
      masterKeyFile: join(directory, 'master.key'),
      members: [{ id: 1, name: 'a' }, { id: 2 }, { id: 3, peer: '10.0.0.3:7421', client: '10.0.0.3:7420' }],
    })
    expect(first?.tls).toEqual({
      caFile: join(directory, 'ca.crt'),
      certificateFile: join(directory, 'member-a.crt'),
      keyFile: join(directory, 'member-a.key'),
    })
    expect(third?.cluster).toEqual({ ...first?.cluster, member: 3 })
    const listen = {
      grpc: '10.0.0.1:7420',
      peer: '10.0.0.1:7421',
      rest: '10.0.0.1:7422',
      dns: '10.0.0.1:7453',
      etcd: '10.0.0.1:7423',
    }
    expect(first === undefined ? undefined : listenOf(first)).toEqual(listen)
    expect(third === undefined ? undefined : listenOf(third).rest).toBe('10.0.0.3:8080')
  })

  it('does without certificates where told so, and then says that plaintext is served', async () => {
    const directory = await emptyDirectory()
    const { code, stdout } = await init(directory, [a, b, c], '--no-tls')
    expect(code).toBe(0)
    expect((await readdir(directory)).filter((file) => /ca\.|\.crt$/.test(file))).toEqual([])
    expect((await readConfig(join(directory, 'a.json'))).tls).toBeUndefined()
    expect(stdout).toContain(`--config ${join(directory, 'a')}.json --insecure`)
  })

  it('touches nothing that is there', async () => {
    const directory = await emptyDirectory()
    await init(directory, [a, b, c])
    const before = await readFile(join(directory, 'master.key'), 'utf8')
    const { code, stderr } = await init(directory, [a, b, c])
    expect(code).toBe(1)
    expect(stderr).toContain('master.key is there already')
    expect(await readFile(join(directory, 'master.key'), 'utf8')).toBe(before)
  })

  it.each([
    ['two members', [a, b], 'must be 1, 3 or 5 members'],
    ['one name twice', [a, a.replaceAll('0.1', '0.9'), c], 'different names: a is given twice'],
    ['one address twice', [a, b.replace('0.2:7421', '0.1:7420'), c], '10.0.0.1:7420 is given twice'],
    ['what is no member', [a, b, 'c'], 'name=peer,client[,rest]'],
    ['what is no address', [a, b, 'c=10.0.0.3:7421,10.0.0.3'], '10.0.0.3: there must be a port'],
    ['what is no name', [a, b, c.replace('c', 'C_')], 'cluster.members.2.name: must be 1 to 63'],
  ])('refuses %s, before anything is written', async (_, members, problem) => {
    const directory = await emptyDirectory()
    const { code, stderr } = await init(directory, members)
    expect(code).not.toBe(0)
    expect(stderr).toContain(problem)
    expect(await readdir(directory)).toEqual([])
  })
})
