import { type ChildProcess, spawn } from 'node:child_process'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Etcd3 } from 'etcd3'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { runTool, type ToolResult } from '../../edges/testing/run_tool.ts'
import {
  beginRotation,
  type CertificateFiles,
  finishRotation,
  issueClient,
} from '../../main/certificates/files.ts'
import { CERTIFICATE_DAYS } from '../../main/cluster_files.ts'
import { until } from '../failover/until.ts'
import { type Machine, TlsCluster } from './cluster.ts'
import { EXPIRED_DAYS, Papers } from './papers.ts'

const WAIT_MS = 20_000
const children: ChildProcess[] = []
let cluster: TlsCluster
let app: CertificateFiles
let papers: Papers

beforeAll(async () => {
  process.env['ETCDCTL_API'] = '3'
  cluster = await TlsCluster.start()
  app = await issueClient(cluster.office, 'app', CERTIFICATE_DAYS, { etcd: true })
  papers = await Papers.make('another')
}, 90_000)

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await papers?.remove()
  await cluster?.close()
})

/** The etcd API of a member, as `cluster init` places it. */
function endpoint({ addresses }: Machine): string {
  return addresses.client.replace(/:7420$/, ':7423')
}

function shown(files: CertificateFiles | undefined, caFile = cluster.caFile): readonly string[] {
  const own = files === undefined ? [] : ['--cert', files.certificateFile, '--key', files.keyFile]
  return ['--cacert', caFile, ...own]
}

function etcdctl(at: string, papersOf: readonly string[], ...args: readonly string[]): Promise<ToolResult> {
  return runTool('etcdctl', ['--endpoints', at, ...papersOf, ...args])
}

/** etcdctl tries again until its time is over. */
const refusedSoon = ['--dial-timeout', '1s', '--command-timeout', '1s']

async function output(machine: Machine, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await etcdctl(endpoint(machine), shown(app), ...args)
  expect(code, stderr).toBe(0)
  return stdout
}

function saidOf(text: string): Promise<true> {
  return until(text, WAIT_MS, () =>
    cluster.machines.some(({ process }) => process.output.includes(text)) ? true : undefined,
  )
}

it('etcdctl with a certificate for it uses every member, also those that pass on to the leader', async () => {
  const [first] = cluster.machines as [Machine]
  for (const machine of cluster.machines) {
    expect(await output(machine, 'put', `by-${machine.name}`, 'x')).toBe('OK\n')
    expect(await output(machine, 'get', `by-${machine.name}`, '--print-value-only')).toBe('x\n')
    const { stderr } = await etcdctl(endpoint(machine), shown(app), 'endpoint', 'health')
    expect(stderr).toContain('is healthy')
  }
  const listed = await output(first, 'member', 'list')
  for (const machine of cluster.machines) expect(listed).toContain(`https://${endpoint(machine)}`)
  expect(listed).not.toContain('http://')
})

it('a watch and the npm client etcd3 work over TLS', async () => {
  const [first, second] = cluster.machines as [Machine, Machine]
  const watch = spawn('etcdctl', ['--endpoints', endpoint(first), ...shown(app), 'watch', 'w'])
  children.push(watch)
  let seen = ''
  watch.stdout.on('data', (chunk: Buffer) => (seen += chunk.toString()))
  const [rootCertificate, certChain, privateKey] = await Promise.all(
    [cluster.caFile, app.certificateFile, app.keyFile].map((file) => readFile(file)),
  )
  const client = new Etcd3({
    hosts: `https://${endpoint(second)}`,
    credentials: {
      rootCertificate: rootCertificate as Buffer,
      certChain: certChain as Buffer,
      privateKey: privateKey as Buffer,
    },
    // @grpc/grpc-js dials an address by its name, and refuses to check a certificate for one.
    grpcOptions: { 'grpc.ssl_target_name_override': 'localhost' },
  })
  try {
    await until('what the watch sees', WAIT_MS, async () => {
      await client.put('w').value('seen')
      return seen.includes('seen') || undefined
    })
    expect(await client.get('w').string()).toBe('seen')
  } finally {
    client.close()
  }
})

it('who shows no certificate, one that has ended, or one of another authority is refused', async () => {
  const [first] = cluster.machines as [Machine]
  const at = endpoint(first)
  const ended = await issueClient(cluster.office, 'ended', EXPIRED_DAYS, { etcd: true })
  const strange = await papers.client('app')
  const foreign = { ...strange.own }
  for (const papersOf of [
    shown(undefined),
    shown(ended),
    shown(foreign),
    shown(app, papers.caFile),
    [] as readonly string[],
  ]) {
    const { code, stdout } = await etcdctl(at, papersOf, ...refusedSoon, 'get', 'by-a')
    expect([papersOf, code === 0, stdout]).toEqual([papersOf, false, ''])
  }
  await saidOf('etcd: 127.')
  const said = cluster.machines.map(({ process }) => process.output).join('\n')
  for (const reason of ['it shows no certificate', 'CERT_HAS_EXPIRED', 'it does not speak TLS'])
    expect(said).toContain(reason)
})

it('a client whose certificate is for something else is told so', async () => {
  const [first] = cluster.machines as [Machine]
  const monitoring = await issueClient(cluster.office, 'monitoring', CERTIFICATE_DAYS, { etcd: false })
  for (const command of [
    ['get', 'by-a'],
    ['put', 'by-a', 'y'],
    ['snapshot', 'save', join(papers.directory, 'snapshot')],
  ]) {
    const { code, stderr } = await etcdctl(endpoint(first), shown(monitoring), ...command)
    expect(code).not.toBe(0)
    expect(stderr).toContain('permission denied')
  }
  expect(await output(first, 'get', 'by-a', '--print-value-only')).toBe('x\n')
})

it('under a new authority the old certificate is taken until the end of the rotation, and then no more', async () => {
  const pids = cluster.machines.map(({ process }) => process.pid)
  const [first] = cluster.machines as [Machine]
  const watch = spawn('etcdctl', ['--endpoints', endpoint(first), ...shown(app), 'watch', 'r'])
  children.push(watch)
  await beginRotation(cluster.office, CERTIFICATE_DAYS, [])
  for (const machine of cluster.machines) await cluster.deliver(machine)
  await until('all with new certificates', WAIT_MS, () =>
    cluster.machines.every(({ process }) => process.output.includes('new certificates are in use'))
      ? true
      : undefined,
  )
  for (const machine of cluster.machines) await output(machine, 'put', 'r', machine.name)
  const old = app
  app = await issueClient(cluster.office, 'app-again', CERTIFICATE_DAYS, { etcd: true })
  for (const machine of cluster.machines) await output(machine, 'put', 'r', machine.name)
  await finishRotation(cluster.office)
  for (const machine of cluster.machines) {
    await copyFile(cluster.caFile, join(machine.files, 'ca.crt'))
    await until(`${machine.name} refuses the old certificate`, WAIT_MS, async () => {
      const { code } = await etcdctl(endpoint(machine), shown(old), ...refusedSoon, 'get', 'r')
      return code !== 0 || undefined
    })
  }
  for (const machine of cluster.machines) {
    expect(await output(machine, 'put', 'r', `after-${machine.name}`)).toBe('OK\n')
    expect(await output(machine, 'get', 'r', '--print-value-only')).toBe(`after-${machine.name}\n`)
  }
  expect(first.process.output).toMatch(/etcd: .*closed: the authority .* is no longer trusted/)
  expect(cluster.machines.map(({ process }) => process.pid)).toEqual(pids)
}, 90_000)
