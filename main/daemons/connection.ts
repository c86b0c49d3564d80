import { setTimeout as sleep } from 'node:timers/promises'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import { speaksTls } from '../../edges/cli/dial.ts'
import type { CommandReply, FeedBatch } from '../../edges/control_plane.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { followFeed } from '../../edges/grpc/follow_feed.ts'
import { checkHost, TlsChannelCredentials } from '../../log/tls/channel_credentials.ts'
import { WatchedTls } from '../../log/tls/watched.ts'
import { type Member, Members } from './members.ts'
import { retried } from './retry.ts'

const HEARTBEAT_MS = 1000
const DIAL_MS = 5000
/** A member this far behind the leader is no longer taken to be only behind. */
const BEHIND_MS = 5000
const BEHIND_PAUSE_MS = 200
/** What a member says of a token or a host that it has not heard of yet. */
const perhapsBehind: ReadonlySet<string> = new Set(['UNAUTHENTICATED', 'PERMISSION_DENIED', 'NOT_FOUND'])

export interface DaemonOptions {
  /** `host:port` of members: the next one is asked when one does not answer. */
  readonly join: readonly [string, ...string[]]
  readonly token: string
  /** The authorities that the members' certificates are of (PEM); without it, plaintext is spoken. */
  readonly caFile?: string | undefined
  readonly name: string
  readonly log: (line: string) => void
}

/** What every daemon does with the control plane: follows a feed, says how far it is, and runs commands until they are accepted or refused. */
export class Connection {
  readonly #members: Members
  readonly #tls: WatchedTls | undefined
  readonly #log: (line: string) => void
  readonly #stopped = new AbortController()
  readonly #running: Promise<void>[] = []
  #beat: (() => void) | undefined
  #askedForTls = false

  /** Throws TlsError for a file of authorities that is none. */
  static async open({ join, token, caFile, log }: DaemonOptions): Promise<Connection> {
    const tls = caFile === undefined ? undefined : await WatchedTls.open({ caFile }, log)
    const secured = tls === undefined ? undefined : new TlsChannelCredentials(tls, checkHost)
    const api = new Api(await loadDomains())
    const member = (address: string): Member => ({
      address,
      client: new ApiClient(api, address, token, secured),
    })
    const [first, ...others] = join
    return new Connection(new Members([member(first), ...others.map(member)]), tls, log)
  }

  private constructor(members: Members, tls: WatchedTls | undefined, log: (line: string) => void) {
    this.#members = members
    this.#tls = tls
    this.#log = log
  }

  /** Says what does not get through. A member that wants TLS ends a connection in plaintext without a word that tells why: that is found out. */
  #say(line: string): void {
    this.#log(line)
    if (this.#tls !== undefined || this.#askedForTls) return
    this.#askedForTls = true
    const { address } = this.#members
    void speaksTls(address, DIAL_MS).then((speaks) => {
      if (speaks)
        this.#log(
          `${address} speaks TLS: give the authorities that its certificate is of, with --ca-file or ULTRACLOUD_CA`,
        )
    })
  }

  /**
   * Runs a command; retries with the same command id while its outcome is unknown or nobody answers. Throws Rejection when it is refused,
   * and UNAVAILABLE when the connection is closed first.
   */
  command(type: string, data: object): Promise<CommandReply> {
    const commandId = newCommandId()
    return retried(
      () => this.#members.command({ type, data, commandId }),
      this.#stopped.signal,
      ({ message }) => this.#say(`${type} is tried until it gets through: ${message}`),
    )
  }

  /**
   * Follows a feed from a snapshot on, until the connection is closed. Calls back once a batch, in order. The member may be behind the
   * leader, which has accepted the token and the host already: a refusal is believed once it has lasted.
   */
  follow(
    projection: string,
    slice: string,
    take: (batch: FeedBatch) => void | Promise<void>,
    fatal: (error: Error) => void,
  ): void {
    const subscription = {
      projection,
      slice,
      fromRevision: 0,
      history: '',
      onInterruption: (why: Rejection) => this.#say(`the feed was interrupted: ${why.message}`),
    }
    const { signal } = this.#stopped
    let refusedSince: number | undefined
    const once = async (): Promise<void> => {
      for await (const batch of followFeed(this.#members, subscription, signal)) {
        refusedSince = undefined
        await take(batch)
      }
    }
    const run = async (): Promise<void> => {
      while (!signal.aborted) {
        try {
          return await once()
        } catch (error) {
          if (signal.aborted) return
          refusedSince ??= performance.now()
          const again = error instanceof Rejection && perhapsBehind.has(error.code)
          if (!again || performance.now() - refusedSince > BEHIND_MS)
            return fatal(error instanceof Error ? error : new Error(String(error)))
          await sleep(BEHIND_PAUSE_MS, undefined, { signal }).catch(() => undefined)
        }
      }
    }
    this.#running.push(run())
  }

  /** Sends heartbeats until the connection is closed, also at once when `beatNow` is called. */
  heartbeat(
    realizer: string,
    position: () => { readonly realizedRevision: number; readonly history: string },
  ): void {
    const run = async (): Promise<void> => {
      let failing = false
      while (!this.#stopped.signal.aborted) {
        const next = this.#nextBeat()
        try {
          await this.#members.heartbeat(
            { realizer, ...position(), incarnations: [] },
            { signal: this.#stopped.signal },
          )
          failing = false
        } catch (error) {
          if (!failing && !this.#stopped.signal.aborted)
            this.#log(`heartbeats do not get through: ${(error as Error).message}`)
          failing = true
        }
        await next
      }
    }
    this.#running.push(run())
  }

  /** The position has moved: the leader should know now. */
  beatNow(): void {
    this.#beat?.()
  }

  #nextBeat(): Promise<void> {
    return new Promise((resolve) => {
      const finish = (): void => {
        clearTimeout(timer)
        this.#stopped.signal.removeEventListener('abort', finish)
        resolve()
      }
      const timer = setTimeout(finish, HEARTBEAT_MS)
      this.#stopped.signal.addEventListener('abort', finish, { once: true })
      this.#beat = finish
    })
  }

  /** Ends feeds, heartbeats and commands; whoever waits for one is told. */
  async close(): Promise<void> {
    this.#stopped.abort()
    await Promise.all(this.#running)
    this.#members.close()
    this.#tls?.close()
  }
}
