import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { waitUntil } from '../deadline.ts'
import type { ExclusiveLock } from '../exclusive_lock.ts'
import type { GuestImage } from '../image/guest.ts'
import type { IncarnationStatus } from '../instance_driver.ts'
import { UserModeNetwork } from '../net/user_mode.ts'
import {
  askGuest,
  bootDeadlineMilliseconds,
  testGuestImage,
  testPort,
  testSpecification,
} from '../testing/guests.ts'
import { acquireQemuLock } from '../testing/qemu_lock.ts'
import type { RuntimeRecord } from './incarnation.ts'
import { QemuDriver, type QemuDriverOptions } from './qemu.ts'

const testTimeout = 300_000
let lock: ExclusiveLock
let image: GuestImage
let scratch: string
let hostDirectory: string
const open = new Set<QemuDriver>()

beforeAll(async () => {
  lock = await acquireQemuLock()
  image = await testGuestImage()
}, 700_000)

afterAll(() => lock.release())

beforeEach(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'ultracloud-qemu-'))
  // Longer than a unix socket's address has room for.
  hostDirectory = join(scratch, 'a-long-name-'.repeat(10))
})

afterEach(async () => {
  for (const driver of open) await closeDriver(driver)
  const cleaner = await openDriver()
  await Promise.all(cleaner.list().map(({ specification }) => cleaner.kill(specification.incarnation)))
  await closeDriver(cleaner)
  await rm(scratch, { recursive: true, force: true })
})

async function openDriver(overrides: Partial<QemuDriverOptions> = {}): Promise<QemuDriver> {
  const network = new UserModeNetwork()
  const driver = await QemuDriver.open({
    hostDirectory,
    acceleration: 'tcg',
    network,
    findImage: () => Promise.resolve(image),
    ...overrides,
  })
  open.add(driver)
  return driver
}

async function closeDriver(driver: QemuDriver): Promise<void> {
  open.delete(driver)
  await driver.close()
}

function statusOf(driver: QemuDriver, name: string): IncarnationStatus | undefined {
  return driver.list().find((status) => status.specification.name === name)
}

function waitForStatus(
  driver: QemuDriver,
  name: string,
  condition: (status: IncarnationStatus) => boolean,
): Promise<IncarnationStatus> {
  return waitUntil(`${name} is as expected`, bootDeadlineMilliseconds, () => {
    const status = statusOf(driver, name)
    return status !== undefined && condition(status) ? status : undefined
  })
}

async function killHypervisor(name: string): Promise<void> {
  const path = join(hostDirectory, 'incarnations', `incarnation-of-${name}`, 'runtime.json')
  const record = JSON.parse(await readFile(path, 'utf8')) as RuntimeRecord
  process.kill(record.process.pid, 'SIGKILL')
}

test('guests boot, say who they are, are adopted, and end as told', { timeout: testTimeout }, async () => {
  const first = await openDriver()
  const otherNetwork = { ...testPort(7), address: '10.0.1.7', gateway: '10.0.1.1' }
  await Promise.all([
    first.start(testSpecification('web-1', 5)),
    first.start(testSpecification('web-2', 6, { ports: [testPort(6), otherNetwork] })),
  ])
  const before = await waitForStatus(first, 'web-1', (status) => status.guestReady)
  await waitForStatus(first, 'web-2', (status) => status.guestReady)
  expect(await askGuest(before)).toBe(
    'web-1 (instance instance-web-1, incarnation incarnation-of-web-1) at 10.0.0.5\n',
  )
  expect(before).toMatchObject({ phase: 'running', acceleration: 'tcg' })
  expect((await first.consoleLog('incarnation-of-web-1', 4096)).toString()).toContain(
    'ULTRACLOUD-READY web-1',
  )
  await closeDriver(first)

  const second = await openDriver()
  expect(statusOf(second, 'web-1')).toEqual(before)
  expect(await second.start(testSpecification('web-1', 5))).toEqual(before)
  const web2 = await waitForStatus(second, 'web-2', (status) => status.phase === 'running')
  expect(await askGuest(web2)).toMatch(/^web-2 .* at 10\.0\.0\.6 10\.0\.1\.7\n$/)
  expect(new Set(web2.forwards.map((forward) => forward.hostPort)).size).toBe(2)

  const stopped = await second.stop('incarnation-of-web-1', bootDeadlineMilliseconds)
  expect(stopped.exit).toEqual({ outcome: 'stopped', reason: 'PowerButton' })
  expect((await second.consoleLog('incarnation-of-web-1', 4096)).toString()).toContain('ULTRACLOUD-POWERDOWN')

  await expect(second.remove('incarnation-of-web-2')).rejects.toMatchObject({
    code: 'hostd/incarnation_alive',
  })
  await killHypervisor('web-2')
  const crashed = await waitForStatus(second, 'web-2', (status) => status.phase === 'exited')
  expect(crashed.exit).toEqual({ outcome: 'failed', reason: 'KilledBySignal: SIGKILL' })

  await second.remove('incarnation-of-web-1')
  await second.remove('incarnation-of-web-2')
  await second.remove('incarnation-of-web-2')
  expect(second.list()).toEqual([])
})

test('what ended while no daemon was there is known afterwards', { timeout: testTimeout }, async () => {
  const first = await openDriver()
  await first.start(testSpecification('web-1', 5))
  await closeDriver(first)
  await killHypervisor('web-1')
  const second = await openDriver()
  expect(statusOf(second, 'web-1')?.exit).toEqual({ outcome: 'failed', reason: 'KilledBySignal: SIGKILL' })
  // An incarnation runs once.
  expect((await second.start(testSpecification('web-1', 5))).phase).toBe('exited')
})

test('a guest outlives a daemon that is killed, and the record of it', { timeout: testTimeout }, async () => {
  const program = fileURLToPath(new URL('../testing/driver_process.ts', import.meta.url))
  const daemon = spawn(process.execPath, [program, hostDirectory, 'web-1'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const exited = once(daemon, 'exit')
  const early = exited.then(([code]) => {
    throw new Error(`The daemon ended by itself, with ${code}.`)
  })
  const [line] = (await Promise.race([once(daemon.stdout, 'data'), early])) as [Buffer]
  early.catch(() => undefined)
  daemon.kill('SIGKILL')
  await exited
  await rm(join(hostDirectory, 'incarnations', 'incarnation-of-web-1', 'runtime.json'))
  await rm(join(hostDirectory, 'incarnations', 'incarnation-of-web-1', 'qemu.pid'))

  const driver = await openDriver()
  const adopted = statusOf(driver, 'web-1')
  expect(adopted).toMatchObject({ phase: 'running', forwards: JSON.parse(line.toString()) })
  const ready = await waitForStatus(driver, 'web-1', (status) => status.guestReady)
  expect(await askGuest(ready)).toContain('web-1')
})

test('a guest that does not heed the power button is ended at the deadline', {
  timeout: testTimeout,
}, async () => {
  const driver = await openDriver()
  await driver.start(testSpecification('web-1', 5))
  const [one, two] = await Promise.all([
    driver.stop('incarnation-of-web-1', 200),
    driver.stop('incarnation-of-web-1', 200),
  ])
  expect(one.exit?.outcome).toBe('stopped')
  expect(one.exit?.reason).toMatch(/^DeadlineExceeded/)
  expect(two).toEqual(one)
})

test('without DHCP a guest takes its addresses from the seed, and its console stays bounded', {
  timeout: testTimeout,
}, async () => {
  const deaf = {
    arguments: () =>
      [0, 1].flatMap((index) => [
        ...['-netdev', `hubport,id=net${index},hubid=${index}`],
        ...['-device', `virtio-net-pci,netdev=net${index},mac=${testPort(index + 5).mac},romfile=`],
      ]),
    forwards: () => Promise.resolve([]),
  }
  const driver = await openDriver({ network: deaf, consoleBytesMax: 4096 })
  const other = { ...testPort(6), address: '10.0.1.6', gateway: '10.0.1.1' }
  await driver.start(
    testSpecification('web-1', 5, { ports: [testPort(5), other], userData: '#!/bin/sh\nseq 20000\n' }),
  )
  await waitForStatus(driver, 'web-1', (status) => status.guestReady)
  const console_ = (await driver.consoleLog('incarnation-of-web-1', 4096)).toString()
  expect(console_).toContain('ULTRACLOUD-READY web-1 instance-web-1 10.0.0.5 10.0.1.6 ')
  expect(console_.length).toBe(4096)
  const file = join(hostDirectory, 'incarnations', 'incarnation-of-web-1', 'console.log')
  await waitUntil('the console is cut', 30_000, async () => (await stat(file)).size <= 4096 || undefined)
  expect((await driver.consoleLog('incarnation-of-web-1', 1_000_000)).length).toBeLessThanOrEqual(2 * 4096)
})

test('a guest whose kernel panics has failed', { timeout: testTimeout }, async () => {
  const driver = await openDriver()
  await driver.start(testSpecification('web-1', 5, { userData: '#!/bin/sh\necho c >/proc/sysrq-trigger\n' }))
  const status = await waitForStatus(driver, 'web-1', ({ phase }) => phase === 'exited')
  expect(status.exit).toEqual({ outcome: 'failed', reason: 'GuestPanicked' })
})

test('what cannot be started has failed, says why, and stays so', { timeout: testTimeout }, async () => {
  const driver = await openDriver({
    findImage: () => Promise.resolve({ ...image, kernel: join(scratch, 'no-kernel') }),
  })
  const withoutKernel = await driver.start(testSpecification('web-1', 5))
  expect(withoutKernel.exit?.outcome).toBe('failed')
  expect(withoutKernel.exit?.reason).toMatch(/^ExitCode: 1 .*no-kernel/)
  const reasonOf = async (name: string, overrides: object): Promise<string | undefined> =>
    (await driver.start(testSpecification(name, 5, overrides))).exit?.reason
  expect(await reasonOf('web-2', { imageDigest: '00' })).toMatch(/hostd\/image_digest_mismatch/)
  expect(await reasonOf('web-3', { memoryMebibytes: 0 })).toMatch(
    /hostd\/invalid_specification.*memoryMebibytes/,
  )
  expect(await reasonOf('web-4', { ports: [{ ...testPort(5), mac: 'x,script=y' }] })).toMatch(
    /not a MAC address/,
  )
  expect(await reasonOf('web-5', { hostname: '-x' })).toMatch(/not a host name/)
  await expect(driver.start(testSpecification('web-6', 5, { incarnation: '../x' }))).rejects.toMatchObject({
    code: 'hostd/invalid_specification',
  })
  await closeDriver(driver)
  expect(statusOf(await openDriver(), 'web-1')).toEqual(withoutKernel)
})

test('one daemon at a time has the directory', async () => {
  await openDriver()
  await expect(openDriver({ lockTimeoutMilliseconds: 100 })).rejects.toMatchObject({
    code: 'hostd/lock_timeout',
  })
})
