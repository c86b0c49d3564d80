import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { HostDaemon } from './daemon.ts'
import { waitUntil } from './deadline.ts'
import type { DesiredIncarnation, Observation } from './desired.ts'
import type { ExclusiveLock } from './exclusive_lock.ts'
import { takeInventory } from './inventory.ts'
import {
  askGuest,
  bootDeadlineMilliseconds,
  testGuestImage,
  testImageDirectory,
  testSpecification,
} from './testing/guests.ts'
import { acquireQemuLock } from './testing/qemu_lock.ts'

let lock: ExclusiveLock
let scratch: string
let hostDirectory: string

beforeAll(async () => {
  lock = await acquireQemuLock()
  await testGuestImage()
  scratch = await mkdtemp(join(tmpdir(), 'ultracloud-daemon-'))
  hostDirectory = join(scratch, 'host')
}, 700_000)

afterAll(async () => {
  await destroyEverything()
  await rm(scratch, { recursive: true, force: true })
  await lock.release()
}, 120_000)

async function destroyEverything(): Promise<void> {
  const daemon = await HostDaemon.start({
    hostDirectory,
    report: () => Promise.resolve(),
    stopDeadlineMilliseconds: 100,
  })
  const rows = daemon
    .incarnations()
    .map(({ specification }) => ({ ...specification, intent: 'destroyed' as const }))
  daemon.snapshot(rows, 1)
  await waitUntil('all is gone', 60_000, () => daemon.incarnations().length === 0 || undefined)
  await daemon.close()
}

function desired(name: string, lastOctet: number, intent: DesiredIncarnation['intent']): DesiredIncarnation {
  return { ...testSpecification(name, lastOctet), intent }
}

function waitForObservation(
  observations: readonly Observation[],
  name: string,
  expected: Partial<Observation>,
): Promise<Observation> {
  return waitUntil(`${name} is seen as ${JSON.stringify(expected)}`, bootDeadlineMilliseconds, () =>
    observations.findLast(
      (observation) =>
        observation.incarnation === `incarnation-of-${name}` &&
        Object.entries(expected).every(([field, value]) => observation[field as keyof Observation] === value),
    ),
  )
}

test('a host goes on through the death of its daemon', { timeout: 300_000 }, async () => {
  const rows = [desired('web-1', 5, 'running'), desired('web-2', 6, 'running')]
  const before: Observation[] = []
  const program = fileURLToPath(new URL('testing/daemon_process.ts', import.meta.url))
  const child = spawn(process.execPath, [program, hostDirectory, testImageDirectory, JSON.stringify(rows)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  createInterface(child.stdout).on('line', (line) => before.push(JSON.parse(line) as Observation))
  const web1 = await waitForObservation(before, 'web-1', { lifecycle: 'running', guestReady: true })
  const web2 = await waitForObservation(before, 'web-2', { lifecycle: 'running', guestReady: true })
  expect(before.find(({ incarnation }) => incarnation === web1.incarnation)?.lifecycle).not.toBe('running')
  child.kill('SIGKILL')
  await once(child, 'exit')
  expect(await askGuest(web1)).toContain('web-1')

  // The next daemon's history knows web-1 alone: web-2 is set apart and goes on.
  const after: Observation[] = []
  const report = (observation: Observation): Promise<void> => {
    after.push(observation)
    return Promise.resolve()
  }
  const daemon = await HostDaemon.start({ hostDirectory, imageDirectory: testImageDirectory, report })
  daemon.snapshot(rows.slice(0, 1), 7)
  await waitUntil('the snapshot is realized', 30_000, () => daemon.realizedRevision() === 7 || undefined)
  expect(after.filter(({ incarnation }) => incarnation === web1.incarnation)).toEqual([web1])
  const quarantined = await waitForObservation(after, 'web-2', { lifecycle: 'quarantined' })
  expect(quarantined.forwards).toEqual(web2.forwards)
  expect(await askGuest(web2)).toContain('web-2')

  const changes = [desired('web-1', 5, 'stopped'), desired('web-2', 6, 'destroyed')]
  daemon.apply(
    changes.map((row) => ({ key: row.incarnation, row })),
    8,
  )
  await waitUntil(
    'the changes are realized',
    bootDeadlineMilliseconds,
    () => daemon.realizedRevision() === 8 || undefined,
  )
  await waitForObservation(after, 'web-1', { lifecycle: 'stopped', reason: 'PowerButton' })
  await waitForObservation(after, 'web-2', { lifecycle: 'destroyed' })
  expect((await daemon.consoleLog(web1.incarnation, 4096)).toString()).toContain('ULTRACLOUD-POWERDOWN web-1')
  expect(await readdir(join(hostDirectory, 'incarnations'))).toEqual([web1.incarnation])
  await daemon.close()
})

test('the inventory says what the host has, and why it lacks what it lacks', async () => {
  const inventory = await takeInventory()
  expect(inventory.cpus).toBeGreaterThan(0)
  expect(inventory.memoryMebibytes).toBeGreaterThan(0)
  expect(inventory.conditions.map(({ type }) => type)).toEqual([
    'HardwareAcceleration',
    'HypervisorAvailable',
    'ToolsInstalled',
    'VirtualNetworks',
  ])
  for (const { reason, message } of inventory.conditions) {
    expect(reason).toMatch(/^[A-Z][A-Za-z]+$/)
    expect(message).not.toBe('')
  }
})
