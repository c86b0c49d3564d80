import { Writable } from 'node:stream'
import type { Registry } from '../../domains/kernel/registry.ts'
import { toyRegistry } from '../testing/toy_domain.ts'
import type { ExtraCommand } from './context.ts'
import type { Environment, Stream } from './output.ts'
import { runCli } from './run.ts'

export interface CliResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

export interface CliRun {
  readonly env?: Environment
  readonly registry?: Registry
  readonly extra?: readonly ExtraCommand[]
  readonly interrupt?: AbortSignal
  /** What is written to stdout so far, as it comes. */
  readonly onStdout?: (text: string) => void
}

/** Keeps what is written; `isTTY` makes it look like a terminal. */
export function captured(isTTY = false): { readonly stream: Stream; readonly text: () => string } {
  let text = ''
  const stream = new Writable({
    write(chunk: Buffer, _, done) {
      text += chunk.toString('utf8')
      done()
    },
  })
  return { stream: Object.assign(stream, { isTTY }), text: () => text }
}

/** One command line within this process, without the process's own environment. */
export async function cli(argv: readonly string[], run: CliRun = {}): Promise<CliResult> {
  const stderr = captured()
  let stdout = ''
  const out = new Writable({
    write(chunk: Buffer, _, done) {
      stdout += chunk.toString('utf8')
      run.onStdout?.(stdout)
      done()
    },
  })
  const code = await runCli(argv, {
    registry: run.registry ?? toyRegistry(),
    stdout: out,
    stderr: stderr.stream,
    env: run.env ?? {},
    extra: run.extra ?? [],
    ...(run.interrupt === undefined ? {} : { interrupt: run.interrupt }),
  })
  return { code, stdout, stderr: stderr.text() }
}
