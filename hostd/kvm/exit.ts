import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { waitUntil } from '../deadline.ts'
import type { IncarnationExit } from '../instance_driver.ts'
import { incarnationFiles } from './arguments.ts'
import { readBootId } from './process_identity.ts'

/** What is known of how a hypervisor ended. */
export interface ExitEvidence {
  /** What the shell saw: 0 to 255, above 128 for a signal. Undefined when it could not write it down. */
  readonly exitCode: number | undefined
  /** The reason in QMP's SHUTDOWN event, when we were there to hear it. */
  readonly shutdownReason: string | undefined
  readonly guestPanicked: boolean
  readonly asked: 'nothing' | 'power-button' | 'quit' | 'kill'
  readonly hypervisorLog: string
  /** The boot in which it ran. */
  readonly bootId: string | undefined
}

const exitCodeTimeoutMilliseconds = 2_000
const signalNames: Readonly<Record<number, string>> = {
  6: 'SIGABRT',
  9: 'SIGKILL',
  11: 'SIGSEGV',
  15: 'SIGTERM',
}

/** Judges how an incarnation ended. */
export async function judgeExit(evidence: ExitEvidence): Promise<IncarnationExit> {
  const { exitCode, shutdownReason } = evidence
  if (evidence.guestPanicked) return failed('GuestPanicked')
  if (evidence.asked === 'kill') return stopped('Killed')
  if (evidence.asked === 'quit') return stopped('DeadlineExceeded: the guest did not heed the power button')
  if (shutdownReason === 'guest-shutdown')
    return stopped(evidence.asked === 'nothing' ? 'GuestShutdown' : 'PowerButton')
  if (shutdownReason === 'host-signal') return failed('HostSignal: something on this host told QEMU to end')
  if (shutdownReason === 'host-qmp-quit')
    return failed('MonitorQuit: something on this host told QEMU to end')
  if (exitCode === 0) return stopped('EndedInOrder')
  if (exitCode === undefined) {
    const otherBoot = evidence.bootId !== undefined && evidence.bootId !== (await readBootId())
    return failed(otherBoot ? 'HostRestarted' : 'ProcessDisappeared')
  }
  if (exitCode > 128) {
    const signal = exitCode - 128
    return failed(`KilledBySignal: ${signalNames[signal] ?? signal}`)
  }
  return failed(`ExitCode: ${exitCode} ${evidence.hypervisorLog}`.trimEnd())
}

/** The exit code that the shell around QEMU has left, or undefined. */
export async function readExitCode(directory: string): Promise<number | undefined> {
  const text = await readFile(join(directory, incarnationFiles.exitStatus), 'utf8').catch(() => '')
  return /^\d+\n$/.test(text) ? Number(text) : undefined
}

/** Like `readExitCode`, but gives the shell the time to write: it outlives QEMU by a moment, unless it was killed. */
export async function awaitExitCode(directory: string): Promise<number | undefined> {
  return await waitUntil('the exit code is written', exitCodeTimeoutMilliseconds, () =>
    readExitCode(directory),
  ).catch(() => undefined)
}

/** The end of what QEMU wrote to its standard error, on one line. */
export async function readHypervisorLog(directory: string): Promise<string> {
  const text = await readFile(join(directory, incarnationFiles.hypervisorLog), 'utf8').catch(() => '')
  return text
    .trim()
    .replace(/\s*\n\s*/g, '; ')
    .slice(-500)
}

function stopped(reason: string): IncarnationExit {
  return { outcome: 'stopped', reason }
}

function failed(reason: string): IncarnationExit {
  return { outcome: 'failed', reason }
}
