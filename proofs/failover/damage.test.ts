import { spawnSync } from 'node:child_process'
import { open, readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { formatDirectory } from '../../log/storage/format.ts'
import { readConfig } from '../../main/config.ts'
import { logDirectory } from '../../main/member_files.ts'
import { ProcessCluster } from './cluster.ts'
import type { MemberProcess } from './member_process.ts'
import { PROJECT } from './operations.ts'
import { until } from './until.ts'

const PROGRAM = join(import.meta.dirname, '..', '..', 'main', 'ultracloud.ts')
const WAIT_MS = 60_000
const NAMES = 150
/** Few, so that few commands make many segments. */
const BLOCK_ENTRIES = 16

async function formatWith(member: MemberProcess, standing: 'founding' | 'recovering'): Promise<void> {
  const { cluster } = await readConfig(member.config)
  if (cluster === undefined) throw new Error(`${member.config} is of no cluster`)
  const directory = logDirectory(member.directory)
  await rm(directory, { recursive: true, force: true })
  const identity = { clusterId: cluster.id, memberId: cluster.member }
  await formatDirectory(directory, identity, { standing, blockEntries: BLOCK_ENTRIES })
}

async function segmentsOf(member: MemberProcess): Promise<readonly string[]> {
  const directory = join(logDirectory(member.directory), 'segments')
  const found = (await readdir(directory)).filter((name) => name.endsWith('.segment')).sort()
  return found.map((name) => join(directory, name))
}

/** Damages the entries of every sealed segment. */
async function damage(member: MemberProcess): Promise<readonly string[]> {
  const paths = await segmentsOf(member)
  expect(paths.length).toBeGreaterThanOrEqual(5)
  for (const path of paths) await flip(path)
  return paths
}

async function flip(path: string): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, 20)
  byte[0] = (byte[0] ?? 0) ^ 0x10
  await file.write(byte, 0, 1, 20)
  await file.close()
}

const ASKED = 'Its block is asked of the other members'
const SOUND = 'was damaged, and is sound again'

function said(member: MemberProcess, what: string): number {
  return member.output.split(what).length - 1
}

/** Waits until a member has said of each segment that it is sound again. */
async function soundAgain(member: MemberProcess, paths: readonly string[]): Promise<void> {
  await until(`${paths.length} sound segments of ${member.name}`, WAIT_MS, () =>
    paths.every((path) => said(member, `${path} ${SOUND}`) > 0) ? true : undefined,
  )
}

/** Waits until a member has come upon damage, after so much of it before, and all that it came upon is sound again: what it has in memory it need not read. */
async function mended(member: MemberProcess, before: number): Promise<void> {
  await until(`what ${member.name} found is sound`, WAIT_MS, () =>
    said(member, ASKED) > before && said(member, SOUND) === said(member, ASKED) ? true : undefined,
  )
}

function ultracloud(cluster: ProcessCluster, member: MemberProcess, ...args: readonly string[]): string {
  const flags = ['--server', member.grpc, '--token', cluster.token]
  const { status, stdout, stderr } = spawnSync(process.execPath, [PROGRAM, ...args, ...flags], {
    encoding: 'utf8',
  })
  expect(`${stdout}${stderr}\n=> ${status}`).toMatch(/=> 0$/)
  return stdout
}

async function agreement(cluster: ProcessCluster): Promise<void> {
  await until('equal digests', WAIT_MS, async () => {
    const statuses = await Promise.all(cluster.running.map((member) => cluster.status(member)))
    const [first, ...others] = statuses.map((status) => JSON.stringify(status?.projections))
    return first !== undefined && others.every((other) => other === first) ? true : undefined
  })
}

test('sealed segments that were damaged are made anew from the other members: under a backup, after a start, and for one that catches up', async () => {
  const cluster = await ProcessCluster.prepare(3)
  onTestFinished(() => cluster.close())
  for (const member of cluster.members) await formatWith(member, 'founding')
  await cluster.startAll()
  const through = cluster.clientOf(await cluster.leader())
  const zone = { project: PROJECT, name: 'a.test' }
  await through.command({ type: 'dns.CreateZone', data: zone, commandId: newCommandId() })
  for (let count = 1; count <= NAMES; count += 1) {
    const name = `name-${count}`
    const data = { project: PROJECT, zone: 'a.test', name, type: 'A', values: ['10.0.0.1'] }
    await through.command({ type: 'dns.PutRecordSet', data, commandId: newCommandId() })
  }
  // Started again, the members have nothing of what is sealed in memory.
  await Promise.all(cluster.members.map((member) => member.stop()))
  await cluster.startAll()
  const leader = await cluster.leader()
  const [stopped] = cluster.followers(leader) as [MemberProcess]

  const foundBefore = said(leader, ASKED)
  await damage(leader)
  const backup = join(leader.directory, 'cloud.backup')
  ultracloud(cluster, leader, 'backup', 'create', backup)
  expect((await stat(backup)).size).toBeGreaterThan(0)
  expect(spawnSync(process.execPath, [PROGRAM, 'backup', 'verify', backup]).status).toBe(0)
  await mended(leader, foundBefore)

  await stopped.kill()
  const meanwhile = await damage(stopped)
  await stopped.start()
  await soundAgain(stopped, meanwhile)

  await stopped.kill()
  await rm(stopped.directory, { recursive: true })
  await formatWith(stopped, 'recovering')
  const leading = await cluster.leader()
  const foundByLeading = said(leading, ASKED)
  await damage(leading)
  await stopped.start()
  await mended(leading, foundByLeading)
  await agreement(cluster)
  expect(cluster.running).toHaveLength(3)
}, 180_000)
