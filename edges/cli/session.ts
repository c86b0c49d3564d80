import { once } from 'node:events'
import { createReadStream } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import type { Command } from 'commander'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Api } from '../grpc/api.ts'
import { Cloud } from './cloud.ts'
import type { CliEnvironment, Globals } from './context.ts'
import { CliError, usageError } from './exit_codes.ts'
import { defaultTokenFile, readGlobals } from './global_options.ts'
import { Output } from './output.ts'
import { Progress } from './progress.ts'
import { ResourceNames } from './resource_names.ts'

const TOKEN_BYTES_MAX = 4096
const FILE_BYTES_MAX = 1024 * 1024

/** What one command has while it runs. */
export interface Session {
  readonly cloud: Cloud
  readonly registry: Registry
  readonly globals: Globals
  readonly out: Output
  readonly progress: Progress
  /** Aborts on Ctrl-C. */
  readonly signal: AbortSignal
  /** What to say when Ctrl-C ends it from now on. */
  readonly ifInterrupted: (hint: string) => void
  /** Names behind uids, as of a moment. */
  readonly names: (at?: string) => ResourceNames
  /** Reads a file that a flag names; `-` is the standard input. */
  readonly readText: (file: string) => Promise<string>
}

/** Opens sessions for the commands of one run of the command line. */
export class Sessions {
  readonly environment: CliEnvironment
  readonly out: Output
  readonly err: Output
  #api: Api | undefined

  constructor(environment: CliEnvironment) {
    this.environment = environment
    this.out = new Output(environment.stdout, environment.env)
    this.err = new Output(environment.stderr, environment.env)
  }

  /** Runs a command's work with a connection, and closes that. Throws CliError `interrupted` on Ctrl-C. */
  async run(command: Command, work: (session: Session) => Promise<void>): Promise<void> {
    const { env, stderr, registry } = this.environment
    const globals = readGlobals(command, env)
    this.#api ??= new Api(registry)
    const token = await readToken(globals, env)
    const interrupted = new AbortController()
    const onInterrupt = (): void => interrupted.abort()
    process.once('SIGINT', onInterrupt)
    const signal = AbortSignal.any([
      interrupted.signal,
      ...(this.environment.interrupt ? [this.environment.interrupt] : []),
    ])
    const progress = new Progress(stderr, env, globals.quiet)
    const cloud = new Cloud({
      api: this.#api,
      servers: globals.servers,
      token,
      timeoutMilliseconds: globals.timeoutMilliseconds,
      signal,
      note: (text) => {
        if (!signal.aborted) progress.note(text)
      },
    })
    let hint: string | undefined
    const session: Session = {
      cloud,
      registry,
      globals,
      out: this.out,
      progress,
      signal,
      ifInterrupted: (text) => {
        hint = text
      },
      names: (at) => new ResourceNames(cloud, registry, at),
      readText: readBounded,
    }
    try {
      await interruptible(work(session), signal, () => new CliError('interrupted', 'interrupted', { hint }))
    } finally {
      process.off('SIGINT', onInterrupt)
      progress.close()
      cloud.close()
    }
  }
}

async function interruptible(
  work: Promise<void>,
  signal: AbortSignal,
  interruption: () => CliError,
): Promise<void> {
  const over = new AbortController()
  const interrupt = async (): Promise<void> => {
    if (!signal.aborted) await once(signal, 'abort', { signal: over.signal })
    throw interruption()
  }
  work.catch(() => undefined)
  const interrupted = interrupt()
  interrupted.catch(() => undefined)
  try {
    await Promise.race([work, interrupted])
    if (signal.aborted) throw interruption()
  } finally {
    over.abort()
  }
}

/** A token file that was named must be there; the default one need not. */
async function readToken(globals: Globals, env: CliEnvironment['env']): Promise<string | undefined> {
  if (globals.token !== undefined) return globals.token
  const file = globals.tokenFile ?? defaultTokenFile(env)
  try {
    if ((await stat(file)).size > TOKEN_BYTES_MAX) throw usageError(`${file} is too large for a token`)
    return (await readFile(file, 'utf8')).trim()
  } catch (error) {
    if (error instanceof CliError) throw error
    if (globals.tokenFile === undefined) return undefined
    throw usageError(`--token-file: ${(error as Error).message}`)
  }
}

async function readBounded(file: string): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  const source = file === '-' ? process.stdin : createReadStream(file)
  for await (const chunk of source as AsyncIterable<Buffer>) {
    bytes += chunk.length
    if (bytes > FILE_BYTES_MAX) throw new Error(`more than ${FILE_BYTES_MAX} bytes`)
    chunks.push(Buffer.from(chunk))
  }
  return Buffer.concat(chunks).toString('utf8')
}
