import { accessSync, constants } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { delimiter, join } from 'node:path'
import { type Acceleration, type HostCondition, probeAcceleration } from './kvm/acceleration.ts'
import { runTool } from './run_tool.ts'

/** What a host has to give, and what it lacks and why. */
export interface HostInventory {
  readonly cpus: number
  readonly memoryMebibytes: number
  readonly acceleration: Acceleration
  readonly conditions: readonly HostCondition[]
}

const tools = ['qemu-system-x86_64', 'xorriso', 'flock', 'apt-get', 'dpkg']
const versionTimeoutMilliseconds = 30_000

/** Looks at this host by trying what it has. */
export async function takeInventory(): Promise<HostInventory> {
  const { acceleration, condition } = await probeAcceleration()
  return {
    cpus: availableParallelism(),
    memoryMebibytes: Math.floor(totalmem() / 2 ** 20),
    acceleration,
    conditions: [condition, await probeHypervisor(), probeTools(), userModeNetworking],
  }
}

const userModeNetworking: HostCondition = {
  type: 'VirtualNetworks',
  status: false,
  reason: 'UserModeNetworking',
  message: 'Guests are reached through forwards on 127.0.0.1 and reach neither each other nor the outside.',
}

async function probeHypervisor(): Promise<HostCondition> {
  try {
    const output = await runTool('qemu-system-x86_64', ['--version'], {
      timeoutMilliseconds: versionTimeoutMilliseconds,
    })
    const message = output.split('\n')[0] ?? ''
    return { type: 'HypervisorAvailable', status: true, reason: 'QemuFound', message }
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error)
    return { type: 'HypervisorAvailable', status: false, reason: 'QemuMissing', message }
  }
}

function probeTools(): HostCondition {
  const missing = tools.filter((tool) => !isInPath(tool))
  return missing.length === 0
    ? { type: 'ToolsInstalled', status: true, reason: 'AllFound', message: `Found ${tools.join(', ')}.` }
    : {
        type: 'ToolsInstalled',
        status: false,
        reason: 'ToolsMissing',
        message: `Not found: ${missing.join(', ')}.`,
      }
}

function isInPath(tool: string): boolean {
  return (process.env['PATH'] ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, tool), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
}
