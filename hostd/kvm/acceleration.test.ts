import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { probeAcceleration } from './acceleration.ts'

let scratch: string

beforeAll(async () => {
  scratch = await mkdtemp(join(tmpdir(), 'ultracloud-acceleration-'))
})

afterAll(() => rm(scratch, { recursive: true, force: true }))

test.each([
  { flags: 'fpu vmx sse', device: true, acceleration: 'kvm', reason: 'KvmAvailable' },
  { flags: 'fpu svm', device: true, acceleration: 'kvm', reason: 'KvmAvailable' },
  { flags: 'fpu sse', device: true, acceleration: 'tcg', reason: 'CpuExtensionMissing' },
  // Only whole words count.
  { flags: 'vmx_like nosvm', device: true, acceleration: 'tcg', reason: 'CpuExtensionMissing' },
  { flags: 'fpu vmx', device: false, acceleration: 'tcg', reason: 'DeviceUnavailable' },
])(
  'flags "$flags", device $device: $acceleration, $reason',
  async ({ flags, device, acceleration, reason }) => {
    const cpuInformation = join(scratch, 'cpuinfo')
    const devicePath = join(scratch, 'kvm')
    await writeFile(cpuInformation, `processor\t: 0\nvmx flags\t: vnmi\nflags\t\t: ${flags}\nbugs\t: none\n`)
    await rm(devicePath, { force: true })
    if (device) await writeFile(devicePath, '')
    const probe = await probeAcceleration(cpuInformation, devicePath)
    expect(probe.acceleration).toBe(acceleration)
    expect(probe.condition).toMatchObject({
      type: 'HardwareAcceleration',
      status: acceleration === 'kvm',
      reason,
    })
    expect(probe.condition.message).not.toBe('')
  },
)

test('this machine has an answer with a reason', async () => {
  const probe = await probeAcceleration()
  expect(probe.condition.status).toBe(probe.acceleration === 'kvm')
})
