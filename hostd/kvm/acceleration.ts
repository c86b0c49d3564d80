import { constants } from 'node:fs'
import { open, readFile } from 'node:fs/promises'

export type Acceleration = 'kvm' | 'tcg'

/** A statement about the host, in the manner of Kubernetes' conditions: what, whether, why. */
export interface HostCondition {
  readonly type: string
  readonly status: boolean
  readonly reason: string
  readonly message: string
}

export interface AccelerationProbe {
  readonly acceleration: Acceleration
  readonly condition: HostCondition
}

/**
 * Finds what can run a guest here.
 *
 * /dev/kvm alone proves nothing: without vmx or svm in the CPU flags (nested or para-virtual kvm) it answers and runs a
 * boot sector, but Linux hangs. TCG, which emulates, always works.
 */
export async function probeAcceleration(
  cpuInformationPath = '/proc/cpuinfo',
  devicePath = '/dev/kvm',
): Promise<AccelerationProbe> {
  const flags = /^flags\s*:(.*)$/m.exec(await readFile(cpuInformationPath, 'utf8').catch(() => ''))?.[1] ?? ''
  const extension = flags.split(/\s+/).find((flag) => flag === 'vmx' || flag === 'svm')
  if (extension === undefined) {
    return emulated(
      'CpuExtensionMissing',
      'Neither vmx nor svm is in the CPU flags, so guests are emulated (TCG).',
    )
  }
  try {
    const device = await open(devicePath, constants.O_RDWR)
    await device.close()
  } catch (error) {
    const detail = error instanceof Error ? error.message : String(error)
    return emulated(
      'DeviceUnavailable',
      `${devicePath} cannot be opened (${detail}), so guests are emulated (TCG).`,
    )
  }
  return {
    acceleration: 'kvm',
    condition: {
      type: 'HardwareAcceleration',
      status: true,
      reason: 'KvmAvailable',
      message: `${devicePath} opens and the CPU has ${extension}.`,
    },
  }
}

function emulated(reason: string, message: string): AccelerationProbe {
  return { acceleration: 'tcg', condition: { type: 'HardwareAcceleration', status: false, reason, message } }
}
