import { connect as dial } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { type Code, Rejection } from '../../domains/kernel/rejection.ts'
import type { CommandReply, CommandRequest, ReadReply, ReadRequest } from '../control_plane.ts'
import type { Api } from '../grpc/api.ts'
import { ApiClient } from '../grpc/client.ts'
import { commandFields, commandReply } from '../grpc/command_fields.ts'
import { CliError, fromRejection } from './exit_codes.ts'

type Fields = Readonly<Record<string, unknown>>

const TIMEOUT_MS = 30_000
/** Hosts may have to boot guests before it is so. */
const REALIZED_TIMEOUT_MS = 300_000
/** One member may hang: the next one is tried after this. */
const ATTEMPT_MS = 10_000
/** A member has this long to say itself that it took too long. */
const DEADLINE_SLACK_MS = 1_000
const DIAL_MS = 3_000
const ATTEMPTS_MAX = 8
const PAUSE_FIRST_MS = 200
const PAUSE_MAX_MS = 2_000

export interface CloudOptions {
  readonly api: Api
  readonly servers: readonly string[]
  readonly token: string | undefined
  readonly timeoutMilliseconds: number | undefined
  /** Ends whatever is under way. */
  readonly signal: AbortSignal
  /** What is tried again, for a person. */
  readonly note: (text: string) => void
}

export type CommandToRun = Pick<CommandRequest, 'type' | 'data' | 'ifRevision' | 'dryRun' | 'wait'> & {
  readonly commandId: string
}

/** The cloud behind a list of members: when one is down the next is asked. Every failure is a CliError. */
export class Cloud {
  readonly #options: CloudOptions
  readonly #clients = new Map<string, ApiClient>()
  /** Which of the servers answered last. */
  #current = 0

  constructor(options: CloudOptions) {
    this.#options = options
  }

  /** Calls a method that changes nothing. */
  async call(method: string, request: Fields): Promise<Fields> {
    return await this.#asking((client, timeoutMilliseconds) =>
      client.call(method, request, { timeoutMilliseconds, signal: this.#options.signal }),
    )
  }

  /** Reads one row or one page. */
  async read(request: ReadRequest): Promise<ReadReply> {
    return await this.#asking((client, timeoutMilliseconds) =>
      client.read(request, { timeoutMilliseconds, signal: this.#options.signal }),
    )
  }

  /** All rows of a kind, page by page. */
  async *pages(request: ReadRequest): AsyncIterable<ReadReply> {
    let pageToken: string | undefined
    do {
      const page = await this.read({ ...request, pageToken })
      yield page
      pageToken = page.nextPageToken === '' ? undefined : page.nextPageToken
    } while (pageToken !== undefined)
  }

  /** A stream from the first member that can be reached and may serve it; it is not resumed when that one goes. */
  async *stream(method: string, request: Fields, signal: AbortSignal): AsyncIterable<Fields> {
    for (let attempt = 1; ; attempt++) {
      const client = await this.#reachable(Date.now() + (this.#options.timeoutMilliseconds ?? TIMEOUT_MS))
      try {
        return yield* client.stream(method, request, signal)
      } catch (error) {
        if (!(error instanceof Rejection)) throw error
        if (error.code !== 'NOT_LEADER' || attempt >= this.#options.servers.length)
          throw fromRejection(error, false)
        this.#options.note(`${this.#server}: ${error.message}; asking the next member`)
        this.#next()
      }
    }
  }

  /**
   * Runs a command, and again with the same id while its outcome is unknown or no member can take it: nothing is done twice.
   * Bounded by the timeout and by a number of attempts. CliError `outcomeUnknown` once something was sent that nobody answered.
   */
  async command(command: CommandToRun): Promise<CommandReply> {
    const usual = command.wait === 'realized' ? REALIZED_TIMEOUT_MS : TIMEOUT_MS
    const deadline = Date.now() + (this.#options.timeoutMilliseconds ?? usual)
    let unanswered = false
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#attempt(command, deadline)
      } catch (error) {
        const failure = error instanceof CliError ? error : undefined
        if (error instanceof Rejection && mayHaveHappened(error.code)) unanswered = true
        const worthwhile =
          failure?.reason === 'unreachable' || (error instanceof Rejection && isPassing(error.code))
        const pause = Math.min(PAUSE_FIRST_MS * 2 ** (attempt - 1), PAUSE_MAX_MS)
        const over = attempt >= ATTEMPTS_MAX || Date.now() + pause >= deadline
        if (!worthwhile || over) throw this.#ended(error, command, unanswered)
        if (failure === undefined || attempt === 1)
          this.#options.note(
            `${(error as Error).message}; trying again with the same command id ${command.commandId}`,
          )
        await delay(pause, undefined, { signal: this.#options.signal })
        this.#next()
      }
    }
  }

  close(): void {
    for (const client of this.#clients.values()) client.close()
    this.#clients.clear()
  }

  async #attempt(command: CommandToRun, deadline: number): Promise<CommandReply> {
    const client = await this.#reachable(Math.min(deadline, Date.now() + ATTEMPT_MS))
    const left = Math.max(1, deadline - Date.now())
    const patient = command.wait === 'projected' || command.wait === 'realized'
    const timeoutMilliseconds = patient ? left : Math.min(left, ATTEMPT_MS)
    const path = this.#options.api.command(command.type)?.path
    if (path === undefined) throw new Rejection('UNKNOWN_COMMAND', `there is no command ${command.type}`)
    const answer = await client.call(path, commandFields({ ...command, timeoutMilliseconds }), {
      timeoutMilliseconds: timeoutMilliseconds + DEADLINE_SLACK_MS,
      signal: this.#options.signal,
    })
    return commandReply(answer)
  }

  #ended(error: unknown, { commandId }: CommandToRun, unanswered: boolean): unknown {
    const end = error instanceof Rejection ? fromRejection(error, true) : error
    if (!unanswered || !(end instanceof CliError) || end.reason === 'rejected') return end
    return new CliError('outcomeUnknown', end.message, {
      code: 'OUTCOME_UNKNOWN',
      details: { ...end.details, commandId },
      hint: retryHint(commandId),
    })
  }

  /** Asks one member after the other, each once. */
  async #asking<T>(ask: (client: ApiClient, timeoutMilliseconds: number) => Promise<T>): Promise<T> {
    const deadline = Date.now() + (this.#options.timeoutMilliseconds ?? TIMEOUT_MS)
    for (let attempt = 1; ; attempt++) {
      const client = await this.#reachable(deadline)
      try {
        return await ask(client, Math.max(1, deadline - Date.now()))
      } catch (error) {
        if (!(error instanceof Rejection)) throw error
        const elsewhere =
          (error.code === 'UNAVAILABLE' || error.code === 'NOT_LEADER') &&
          attempt < this.#options.servers.length
        if (!elsewhere || Date.now() >= deadline) throw fromRejection(error, false)
        this.#options.note(`${this.#server}: ${error.message}; asking the next member`)
        this.#next()
      }
    }
  }

  /** A client of the first member, from the current one on, that takes a connection. Throws CliError `unreachable`. */
  async #reachable(deadline: number): Promise<ApiClient> {
    if (this.#options.signal.aborted) throw new CliError('interrupted', 'interrupted')
    const reasons: string[] = []
    for (const _ of this.#options.servers) {
      const server = this.#server
      const known = this.#clients.get(server)
      const reason = await refusal(server, Math.min(DIAL_MS, Math.max(1, deadline - Date.now())))
      if (reason === undefined) return known ?? this.#connect(server)
      reasons.push(`${server}: ${reason}`)
      this.#next()
    }
    throw new CliError('unreachable', `no member can be reached: ${reasons.join('; ')}`, {
      code: 'UNAVAILABLE',
      hint: 'Is it running? `ultracloud up` starts one here; --server or ULTRACLOUD_SERVER says where it is.',
    })
  }

  #connect(server: string): ApiClient {
    const client = new ApiClient(this.#options.api, server, this.#options.token)
    this.#clients.set(server, client)
    return client
  }

  get #server(): string {
    return this.#options.servers[this.#current % this.#options.servers.length] as string
  }

  #next(): void {
    this.#current += 1
  }
}

/** How to go on with a command whose outcome is unknown. */
export function retryHint(commandId: string): string {
  return `It may or may not happen. Say it again with --command-id ${commandId}: then it happens once.`
}

/** Codes that pass by themselves. */
function isPassing(code: Code): boolean {
  return mayHaveHappened(code) || code === 'NOT_LEADER' || code === 'OVERLOADED'
}

/** Whether the command may have been taken before the answer got lost: gRPC says UNAVAILABLE for a broken connection, too. */
function mayHaveHappened(code: Code): boolean {
  return code === 'OUTCOME_UNKNOWN' || code === 'UNAVAILABLE' || code === 'TIMEOUT'
}

/** Why no connection can be made; undefined when one can. Tells what was never sent from what got no answer. */
function refusal(server: string, timeoutMilliseconds: number): Promise<string | undefined> {
  const colon = server.lastIndexOf(':')
  const host = server.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  return new Promise((resolve) => {
    const socket = dial({ host, port: Number(server.slice(colon + 1)) })
    const end = (reason: string | undefined): void => {
      socket.destroy()
      resolve(reason)
    }
    socket.setTimeout(timeoutMilliseconds, () => end('no answer'))
    socket.once('connect', () => end(undefined))
    socket.on('error', (error: NodeJS.ErrnoException) => end(sentence(error)))
  })
}

function sentence(error: NodeJS.ErrnoException): string {
  switch (error.code) {
    case 'ECONNREFUSED':
      return 'connection refused'
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return 'the name is not known'
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no route to it'
    default:
      return error.message === '' ? (error.code ?? 'it can not be reached') : error.message
  }
}
