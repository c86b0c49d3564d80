import { setTimeout as sleep } from 'node:timers/promises'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import type { ProcessCluster } from './cluster.ts'
import { type Acknowledgement, type Operation, operation, PROJECT } from './operations.ts'
import { until } from './until.ts'

/** A client's pause between two operations, and between two attempts of one. */
const PAUSE_MS = 5
const RETRY_MS = 20
/** How long one attempt may take; another member is tried then. */
const ATTEMPT_MS = 1_000
const OPERATION_MS_MAX = 60_000
/** So many operations of a client, and it reads what it has just written from another member. */
const READ_EVERY = 5

const retriable: ReadonlySet<string> = new Set([
  'OUTCOME_UNKNOWN',
  'UNAVAILABLE',
  'TIMEOUT',
  'NOT_LEADER',
  'OVERLOADED',
])

/** Clients that run commands, each through any member, until they are told to stop. */
export class Workload {
  readonly acknowledged: Acknowledgement[] = []
  /** What must not happen: a refusal, or an acknowledged write that a later read did not show. */
  readonly violations: string[] = []
  reads = 0
  readonly #addresses: readonly string[]
  readonly #cluster: ProcessCluster
  readonly #running: Promise<void>[]
  #stopping = false

  constructor(cluster: ProcessCluster, clients: number) {
    this.#cluster = cluster
    this.#addresses = cluster.members.map(({ grpc }) => grpc)
    this.#running = Array.from({ length: clients }, (_, client) => this.#run(client))
  }

  /** Resolves once every operation that was begun is acknowledged. */
  async stop(): Promise<void> {
    this.#stopping = true
    await Promise.all(this.#running)
  }

  /** Resolves once so many more operations are acknowledged. */
  async more(count: number, timeoutMilliseconds: number): Promise<void> {
    const goal = this.acknowledged.length + count
    await until(`${count} more acknowledged commands`, timeoutMilliseconds, () =>
      this.acknowledged.length >= goal ? true : undefined,
    )
  }

  /** The first acknowledgement of an attempt that began at or after a time. */
  firstAfter(time: number, timeoutMilliseconds: number): Promise<Acknowledgement> {
    return until('a newly acknowledged command', timeoutMilliseconds, () =>
      this.acknowledged
        .filter(({ attemptAt }) => attemptAt >= time)
        .sort((a, b) => a.at - b.at)
        .at(0),
    )
  }

  async #run(client: number): Promise<void> {
    const members = this.#addresses.map(
      (address) => new ApiClient(this.#cluster.api, address, this.#cluster.token),
    )
    const route = new Route(members, client)
    try {
      for (let index = 0; !this.#stopping; index++) {
        const done = operation(client, index)
        this.acknowledged.push(await this.#submit(route, done))
        if (index % READ_EVERY === 1) await this.#readBack(route, done)
        await sleep(PAUSE_MS)
      }
    } catch (error) {
      this.violations.push(`client ${client}: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      for (const member of members) member.close()
    }
  }

  async #submit(route: Route, submitted: Operation): Promise<Acknowledgement> {
    const { type, data, commandId } = submitted
    const { value, attempts, attemptAt } = await route.attempt((client) =>
      client.command({ type, data, commandId, timeoutMilliseconds: ATTEMPT_MS }),
    )
    const { revision, result, duplicate } = value
    return { operation: submitted, revision, result, duplicate, attempts, attemptAt, at: performance.now() }
  }

  /** A linearizable read through the next member must show what was just acknowledged. */
  async #readBack(route: Route, { type, name }: Operation): Promise<void> {
    if (type !== 'vpc.CreateVpc') return
    route.next()
    const options = { timeoutMilliseconds: 2 * ATTEMPT_MS }
    const read = { kind: 'vpc.vpc', project: PROJECT, name }
    await route.attempt((client) => client.read(read, options))
    this.reads += 1
  }
}

/** The members in turn: the next one is asked when one does not answer. */
class Route {
  readonly #members: readonly ApiClient[]
  #at: number

  constructor(members: readonly ApiClient[], first: number) {
    this.#members = members
    this.#at = first % members.length
  }

  next(): void {
    this.#at = (this.#at + 1) % this.#members.length
  }

  /** Tries until there is an answer. Throws the Rejection that is one, and Error when there is none for too long. */
  async attempt<T>(
    call: (client: ApiClient) => Promise<T>,
  ): Promise<{ value: T; attempts: number; attemptAt: number }> {
    const began = performance.now()
    for (let attempts = 1; ; attempts++) {
      const attemptAt = performance.now()
      try {
        return { value: await call(this.#members[this.#at] as ApiClient), attempts, attemptAt }
      } catch (error) {
        if (!(error instanceof Rejection) || !retriable.has(error.code)) throw error
        if (performance.now() - began > OPERATION_MS_MAX)
          throw new Error(`no answer after ${attempts} attempts: ${error.message}`, { cause: error })
      }
      this.next()
      await sleep(RETRY_MS)
    }
  }
}
