import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename } from 'node:path'

/**
 * A process that cannot be mistaken for a later one with the same number: process ids are used again, but not with the same
 * start time within one boot.
 */
export interface ProcessIdentity {
  readonly pid: number
  /** Clock ticks since boot: field 22 of /proc/PID/stat (proc(5)). */
  readonly startTicks: string
  readonly bootId: string
}

/** The identity of the process that has this number now, or undefined when there is none or it is a zombie. */
export async function identifyProcess(pid: number): Promise<ProcessIdentity | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  if (stat === undefined) return undefined
  // The name, in parentheses, may itself hold spaces and parentheses.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  const [state, startTicks] = [fields[0], fields[19]]
  if (state === 'Z' || state === 'X' || startTicks === undefined) return undefined
  return { pid, startTicks, bootId: await readBootId() }
}

/** Whether this very process still runs. */
export async function isAlive(identity: ProcessIdentity): Promise<boolean> {
  const now = await identifyProcess(identity.pid)
  return now !== undefined && now.startTicks === identity.startTicks && now.bootId === identity.bootId
}

/**
 * Sends a signal to this very process.
 *
 * @returns false when it is already gone.
 */
export async function signalProcess(identity: ProcessIdentity, signal: NodeJS.Signals): Promise<boolean> {
  if (!(await isAlive(identity))) return false
  try {
    return process.kill(identity.pid, signal)
  } catch {
    return false
  }
}

/**
 * Finds the process whose working directory is `directory` and whose program's name holds `program`: how a hypervisor is found
 * again when the daemon died before it could write down what it had started. Looks at all processes unless told at which.
 */
export async function findProcess(
  directory: string,
  program: string,
  candidates?: readonly number[],
): Promise<ProcessIdentity | undefined> {
  const pids = candidates ?? (await readdir('/proc')).filter((name) => /^\d+$/.test(name)).map(Number)
  for (const pid of pids) {
    const workingDirectory = await readlink(`/proc/${pid}/cwd`).catch(() => undefined)
    if (workingDirectory !== directory) continue
    const executable = await readlink(`/proc/${pid}/exe`).catch(() => '')
    // An upgraded program shows as deleted, and some distributions wrap it under a longer name.
    if (basename(executable).includes(program)) return await identifyProcess(pid)
  }
  return undefined
}

let bootId: string | undefined

/** What the kernel calls this boot: start ticks of another boot mean nothing. */
export async function readBootId(): Promise<string> {
  bootId ??= (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim()
  return bootId
}
