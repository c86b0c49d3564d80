import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitUntil } from '../deadline.ts'
import { incarnationFiles } from './arguments.ts'
import { readExitCode } from './exit.ts'
import { findProcess, type ProcessIdentity } from './process_identity.ts'

const program = 'qemu-system-x86_64'
const startTimeoutMilliseconds = 60_000

/**
 * A shell stays around QEMU to write down its exit code: also when the daemon was away as it ended, it can tell a
 * shutdown from a crash. The rename makes the record appear whole.
 */
const wrapper = `"$@"; code=$?; echo $code >${incarnationFiles.exitStatus}.new
mv ${incarnationFiles.exitStatus}.new ${incarnationFiles.exitStatus}; exit $code`

/**
 * Starts QEMU in a session of its own, so that it outlives this process, and waits until it can be identified.
 *
 * @returns undefined when QEMU ended before that.
 * @throws HostError `hostd/deadline_exceeded`
 */
export async function spawnHypervisor(
  directory: string,
  arguments_: readonly string[],
): Promise<ProcessIdentity | undefined> {
  const shell = await spawnShell(directory, arguments_)
  try {
    const found = await waitUntil(
      `${program} in ${directory} has started`,
      startTimeoutMilliseconds,
      async () => {
        const identity = await identifyHypervisor(directory)
        if (identity !== undefined) return { identity }
        return (await readExitCode(directory)) === undefined ? undefined : { identity: undefined }
      },
    )
    return found.identity
  } catch (error) {
    // What is given up must not start after all: the shell leads the session's process group.
    if (shell.pid !== undefined && shell.exitCode === null) process.kill(-shell.pid, 'SIGKILL')
    throw error
  }
}

async function spawnShell(directory: string, arguments_: readonly string[]): Promise<ChildProcess> {
  const log = await open(join(directory, incarnationFiles.hypervisorLog), 'a', 0o600)
  try {
    const shell = spawn('/bin/sh', ['-c', wrapper, 'ultracloud-incarnation', program, ...arguments_], {
      cwd: directory,
      detached: true,
      stdio: ['ignore', log.fd, log.fd],
      // The hypervisor runs code of tenants: it gets nothing of the daemon's environment.
      env: { PATH: process.env['PATH'] ?? '/usr/bin:/bin', LC_ALL: 'C' },
    })
    // A shell that cannot be started leaves no process and no exit code: waiting for either ends by its deadline.
    shell.once('error', () => undefined)
    shell.unref()
    return shell
  } finally {
    await log.close()
  }
}

/** Finds the QEMU that works in this directory by the number it wrote down. */
async function identifyHypervisor(directory: string): Promise<ProcessIdentity | undefined> {
  const pid = Number(await readFile(join(directory, incarnationFiles.pid), 'utf8').catch(() => '0'))
  return pid > 0 ? await findProcess(directory, program, [pid]) : undefined
}

/** Finds the QEMU that works in this directory, also when it has not yet written down its number. */
export async function searchHypervisor(directory: string): Promise<ProcessIdentity | undefined> {
  return (await identifyHypervisor(directory)) ?? (await findProcess(directory, program))
}
