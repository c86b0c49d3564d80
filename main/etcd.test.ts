import { appendFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Registry } from '../domains/kernel/registry.ts'
import { loadDomains } from '../domains/load.ts'
import { runTool } from '../edges/testing/run_tool.ts'
import { replayBackup } from './backup/replay.ts'
import { restoreBackup } from './backup/restore.ts'
import { type MemberNode, startMember } from './node.ts'

const free = '127.0.0.1:0'
const config = { listen: { grpc: free, peer: free, rest: free, etcd: free } }

let directory: string
let registry: Registry
const members: MemberNode[] = []
const faults: string[] = []

beforeAll(async () => {
  process.env['ETCDCTL_API'] = '3'
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-member-'))
  registry = await loadDomains()
})

afterAll(async () => {
  for (const member of members) await member.close()
  await rm(directory, { recursive: true, force: true })
  expect(faults).toEqual([])
})

async function start(name: string): Promise<MemberNode> {
  const onFatal = (error: Error): void => void faults.push(error.message)
  const warn = (message: string): void => void faults.push(message)
  const member = await startMember({ directory: join(directory, name), config, registry, onFatal, warn })
  members.push(member)
  return member
}

async function etcdctl(member: MemberNode, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runTool('etcdctl', ['--endpoints', member.etcdAddress, ...args])
  expect(code, stderr).toBe(0)
  return stdout
}

it('a snapshot by etcdctl is a backup: it is verified and restored, and revisions go on far ahead', async () => {
  const member = await start('first')
  await etcdctl(member, 'put', 'a', 'kept')
  expect(await etcdctl(member, 'member', 'list')).toContain(`http://${member.etcdAddress}`)
  const path = join(directory, 'snapshot')
  await etcdctl(member, 'snapshot', 'save', path)
  const { differing, revision } = await replayBackup(path, { registry, to: undefined })
  expect([differing, revision > 1]).toEqual([[], true])
  await restoreBackup(path, {
    registry,
    directory: join(directory, 'second'),
    to: undefined,
    config,
    beginning: undefined,
  })
  const restored = await start('second')
  const got = JSON.parse(await etcdctl(restored, 'get', 'a', '-w', 'json')) as {
    header: { revision: number }
    kvs: { value: string }[]
  }
  expect(Buffer.from(got.kvs[0]?.value ?? '', 'base64').toString()).toBe('kept')
  expect(got.header.revision).toBeGreaterThan(1_000_000_000)
  const { stderr } = await runTool('etcdctl', [
    '--endpoints',
    restored.etcdAddress,
    'watch',
    'a',
    '--rev',
    '1',
  ])
  expect(stderr).toContain('compacted')
  const saved = await readFile(path)
  saved[saved.length - 1] = (saved.at(-1) ?? 0) ^ 1
  await writeFile(path, saved)
  await expect(replayBackup(path, { registry, to: undefined })).rejects.toThrow('checksum of a snapshot')
  await appendFile(path, 'x')
  await expect(replayBackup(path, { registry, to: undefined })).rejects.toThrow('something follows the end')
})

it('the events of keys are in the log beside the others', async () => {
  const [member] = members
  const entries = await member?.log.read(1, 1000, 1 << 20)
  const text = entries?.map(({ payload }) => Buffer.from(payload).toString()).join('\n')
  expect(text).toContain('kv.Put')
})
