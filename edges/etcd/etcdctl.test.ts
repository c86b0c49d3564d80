import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { runTool, type ToolResult } from '../testing/run_tool.ts'
import { until } from '../testing/until.ts'
import { TestCluster } from './testing/nodes.ts'

let cluster: TestCluster
let endpoint: string
let prefix: string
let count = 0
const children: ChildProcess[] = []

beforeAll(async () => {
  process.env['ETCDCTL_API'] = '3'
  cluster = await TestCluster.start(1)
  endpoint = cluster.addresses[0] as string
})

beforeEach(() => {
  prefix = `t${count++}/`
})

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL')
  await cluster?.[Symbol.asyncDispose]()
  expect(cluster.faults).toEqual([])
})

/** etcdctl of Debian, package etcd-client. */
function etcdctl(...args: readonly string[]): Promise<ToolResult> {
  return runTool('etcdctl', ['--endpoints', endpoint, ...args])
}

async function output(...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await etcdctl(...args)
  expect(code, stderr).toBe(0)
  return stdout
}

/** One that goes on until the test ends; what it writes comes bit by bit. */
function running(...args: readonly string[]): { readonly child: ChildProcess; text: () => string } {
  const child = spawn('etcdctl', ['--endpoints', endpoint, ...args])
  children.push(child)
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { child, text: () => text }
}

/** Runs one that reads its standard input. */
async function fed(input: string, ...args: readonly string[]): Promise<string> {
  const { child, text } = running(...args)
  child.stdin?.end(input)
  await until(`${args.join(' ')} ends`, () => child.exitCode !== null)
  expect(child.exitCode, text()).toBe(0)
  return text()
}

async function revision(): Promise<number> {
  const { header } = JSON.parse(await output('get', 'none', '-w', 'json')) as { header: { revision: number } }
  return header.revision
}

it('puts and gets, with every flag', async () => {
  for (const [key, value] of ['b1', 'a2', 'c3'].map(([key, value]) => [`${prefix}${key}`, `v${value}`]))
    expect(await output('put', key as string, value as string)).toBe('OK\n')
  const before = await revision()
  expect(await output('put', `${prefix}a`, 'new', '--prev-kv')).toBe(`OK\n${prefix}a\nv2\n`)
  expect(await output('put', `${prefix}a`, '--ignore-lease', 'newer')).toBe('OK\n')
  expect(await output('get', prefix, '--prefix', '--keys-only')).toBe(
    `${prefix}a\n\n${prefix}b\n\n${prefix}c\n\n`,
  )
  expect(await output('get', prefix, '--prefix', '--print-value-only', '--limit', '2')).toBe('newer\nv1\n')
  expect(await output('get', `${prefix}a`, '--rev', String(before), '--print-value-only')).toBe('v2\n')
  expect(await output('get', `${prefix}b`, '--from-key', '--limit', '1', '--keys-only')).toBe(
    `${prefix}b\n\n`,
  )
  expect(await output('get', `${prefix}a`, `${prefix}c`, '--keys-only')).toBe(`${prefix}a\n\n${prefix}b\n\n`)
  const sorted = await output(
    'get',
    prefix,
    '--prefix',
    '--sort-by',
    'modify',
    '--order',
    'descend',
    '--keys-only',
  )
  expect(sorted).toBe(`${prefix}a\n\n${prefix}c\n\n${prefix}b\n\n`)
  expect(await output('get', `${prefix}c`, '--consistency', 's', '--print-value-only')).toBe('v3\n')
  expect(await output('get', prefix, '--prefix', '--hex', '--limit', '1')).toMatch(/^\\x74/)
})

it('deletes', async () => {
  for (const key of ['a', 'b', 'c']) await output('put', `${prefix}${key}`, key)
  expect(await output('del', `${prefix}a`, '--prev-kv')).toBe(`1\n${prefix}a\na\n`)
  expect(await output('del', prefix, '--prefix')).toBe('2\n')
  expect(await output('del', prefix, '--prefix')).toBe('0\n')
})

it('runs transactions', async () => {
  await output('put', `${prefix}a`, '1')
  const script = `value("${prefix}a") = "1"\nversion("${prefix}b") = "0"\n\nput ${prefix}b made\nget ${prefix}b\n\nget ${prefix}a\n\n`
  expect(await fed(script, 'txn')).toBe(`SUCCESS\n\nOK\n\n${prefix}b\nmade\n`)
  expect(await fed(script, 'txn')).toBe(`FAILURE\n\n${prefix}a\n1\n`)
  const twice = await etcdctl('put', '', 'x')
  expect(twice.stderr).toContain('etcdserver: key is not provided')
})

it('watches: live, from the past, with the value before, and told of progress', async () => {
  const start = (await revision()) + 1
  await output('put', `${prefix}a`, '1')
  await output('put', `${prefix}a`, '2')
  const past = running('watch', prefix, '--prefix', '--rev', String(start), '--prev-kv')
  await until('the past', () => past.text().includes(`PUT\n${prefix}a\n1\n${prefix}a\n2\n`))
  await output('del', `${prefix}a`)
  await until('the deletion', () => past.text().includes(`DELETE\n${prefix}a\n2\n${prefix}a\n\n`))
  const interactive = running('watch', '-i')
  interactive.child.stdin?.write(`watch ${prefix}i\n`)
  interactive.child.stdin?.write('progress\n')
  await until('progress', () => interactive.text().includes('progress notify:'))
  await output('put', `${prefix}i`, 'seen')
  await until('the put', () => interactive.text().includes(`PUT\n${prefix}i\nseen\n`))
})

it('refuses to read or watch what is compacted', async () => {
  await output('put', `${prefix}a`, '1')
  const old = await revision()
  await output('put', `${prefix}a`, '2')
  const present = await revision()
  expect(await output('compaction', String(present), '--physical')).toBe(`compacted revision ${present}\n`)
  expect((await etcdctl('compaction', String(old))).stderr).toContain('required revision has been compacted')
  expect((await etcdctl('compaction', String(present + 9))).stderr).toContain(
    'required revision is a future revision',
  )
  expect((await etcdctl('get', `${prefix}a`, '--rev', String(old))).stderr).toContain('has been compacted')
  const watch = await etcdctl('watch', `${prefix}a`, '--rev', String(old))
  expect(watch.code).not.toBe(0)
  expect(watch.stderr + watch.stdout).toContain('required revision has been compacted')
})

it('grants, keeps alive, lists and revokes leases', async () => {
  const granted = await output('lease', 'grant', '60')
  const [, id = ''] = /^lease ([0-9a-f]+) granted with TTL\(60s\)/.exec(granted) ?? []
  await output('put', `${prefix}leased`, 'x', '--lease', id)
  expect(await output('lease', 'timetolive', id, '--keys')).toContain(`attached keys([${prefix}leased])`)
  expect(await output('lease', 'keep-alive', '--once', id)).toContain(`lease ${id} keepalived with TTL(60)`)
  expect(await output('lease', 'list')).toContain(id)
  expect(await output('lease', 'revoke', id)).toBe(`lease ${id} revoked\n`)
  expect(await output('get', `${prefix}leased`)).toBe('')
  expect(await output('lease', 'timetolive', id)).toContain('already expired')
  expect((await etcdctl('lease', 'revoke', id)).stderr).toContain('requested lease not found')
  expect((await etcdctl('put', 'x', 'y', '--lease', id)).stderr).toContain('requested lease not found')
})

it('lets leases expire, with their keys', async () => {
  const [, id = ''] = /^lease ([0-9a-f]+) /.exec(await output('lease', 'grant', '1')) ?? []
  await output('put', `${prefix}short`, 'x', '--lease', id)
  const watch = running('watch', `${prefix}short`)
  await until('it is gone', () => watch.text().includes(`DELETE\n${prefix}short`))
})

it('locks and elects', async () => {
  expect(await output('lock', `${prefix}lock`, 'echo', 'held')).toBe('held\n')
  const first = running('lock', `${prefix}lock`)
  await until('the lock', () => first.text().includes(`${prefix}lock/`))
  const second = running('lock', `${prefix}lock`)
  first.child.kill('SIGTERM')
  await until('the next one', () => second.text().includes(`${prefix}lock/`))
  second.child.kill('SIGTERM')
  const elected = running('elect', `${prefix}election`, 'me')
  await until('the election', () => elected.text().includes('me\n'))
  const listener = running('elect', '-l', `${prefix}election`)
  await until('the listener', () => listener.text().includes('me\n'))
  elected.child.kill('SIGTERM')
})

it('tells of members, their health and state', async () => {
  expect(await output('member', 'list')).toMatch(/started, m1, http:.*, http:.*, false/)
  expect(
    (await etcdctl('endpoint', 'health')).stderr + (await etcdctl('endpoint', 'health')).stdout,
  ).toContain('is healthy')
  expect(await output('endpoint', 'status', '-w', 'json')).toContain('"version":"3.4.23"')
  expect(await output('endpoint', 'hashkv')).toMatch(/, \d+\n$/)
  expect(await output('alarm', 'list')).toBe('')
  expect(await output('defrag')).toContain('Finished defragmenting')
  expect(await output('user', 'list')).toBe('')
  expect((await etcdctl('auth', 'enable')).stderr).toContain('authentication is not enabled')
  expect((await etcdctl('--user', 'root:secret', 'get', 'x')).code).toBe(0)
})

it('saves a snapshot: our backup, with the checksum that etcdctl asks for', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-snapshot-'))
  try {
    const path = join(directory, 'snapshot')
    await output('snapshot', 'save', path)
    const saved = await readFile(path)
    expect(saved.length % 512).toBe(32)
    expect(saved.subarray(0, 8).toString()).toBe('a backup')
    const sum = createHash('sha256').update(saved.subarray(0, -32)).digest()
    expect(saved.subarray(-32).equals(sum)).toBe(true)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
