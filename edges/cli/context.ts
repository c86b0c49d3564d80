import type { Command } from 'commander'
import type { Registry } from '../../domains/kernel/registry.ts'
import type { Environment, Output, Stream } from './output.ts'
import type { Progress } from './progress.ts'

/** What the process gives to the command line. */
export interface CliEnvironment {
  readonly registry: Registry
  readonly stdout: Stream
  readonly stderr: Stream
  readonly env: Environment
  /** Commands that only the composition root can offer: `up`, `host`, `backup`. */
  readonly extra: readonly ExtraCommand[]
  /** Stands for Ctrl-C in a process that hosts the command line; SIGINT counts without it, too. */
  readonly interrupt?: AbortSignal
}

/**
 * Adds a command with its help, options and async action: `(program, context) => program.command('up')…`. Made with `command`,
 * it inherits how errors and help are printed. Its action may throw CliError or Rejection; what it does about SIGINT is its own.
 */
export type ExtraCommand = (program: Command, context: ExtraContext) => void

/** What an extra command may use. */
export interface ExtraContext {
  readonly out: Output
  readonly stderr: Stream
  readonly env: Environment
  /** For the command that runs, with its `-q` and its data format. */
  globals(command: Command): Globals
  /** Progress on stderr; it is closed when the command has ended. */
  progress(command: Command): Progress
}

export const formats = ['table', 'wide', 'json', 'jsonl', 'name'] as const
export type Format = (typeof formats)[number]

/** The options that every command takes. */
export interface Globals {
  /** `host:port`, in the order in which they are tried. */
  readonly servers: readonly string[]
  readonly token: string | undefined
  readonly tokenFile: string | undefined
  /** What makes it speak TLS. */
  readonly caFile: string | undefined
  readonly project: string | undefined
  readonly format: Format
  /** For all of a call, retries included. */
  readonly timeoutMilliseconds: number | undefined
  readonly quiet: boolean
}
