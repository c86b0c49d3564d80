import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Leadership, Log, MemberStatus } from './log.ts'
import { openLog } from './node.ts'
import type { LogOptions } from './node-options.ts'
import { formatDirectory } from './storage/format.ts'

export const electionTimeoutMilliseconds = 300

/** Polls until `probe` gives something; rejects after the deadline. */
export async function eventually<T>(
  what: string,
  probe: () => T | undefined | false,
  deadlineMilliseconds = 15_000,
): Promise<T> {
  const deadline = performance.now() + deadlineMilliseconds
  for (;;) {
    const found = probe()
    if (found !== undefined && found !== false) return found
    if (performance.now() > deadline) throw new Error(`timed out: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

/** A loopback address of its own, so that two runs at once do not take each other's ports. */
async function freeAddress(): Promise<{ host: string; port: number }> {
  const host = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.${randomInt(1, 255)}`
  const server = createServer()
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, host, resolve)
  })
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port was given')
  return { host, port: address.port }
}

export type MemberOptions = Omit<LogOptions, 'failed' | 'warn'>

/** Directories and addresses of a cluster on loopback. */
export class TestCluster {
  readonly base: string
  readonly options: readonly MemberOptions[]
  readonly failures: Error[] = []
  readonly warnings: string[] = []
  readonly #running = new Set<Log>()

  private constructor(base: string, options: readonly MemberOptions[]) {
    this.base = base
    this.options = options
  }

  static async create(size: number, blockEntries = 64): Promise<TestCluster> {
    const base = await mkdtemp(join(tmpdir(), 'chainfire-cluster-'))
    const addresses = await Promise.all(Array.from({ length: size }, freeAddress))
    const members: MemberStatus[] = addresses.map(({ host, port }, position) => ({
      id: position + 1,
      name: `member-${position + 1}`,
      peerAddress: `${host}:${port}`,
      clientAddress: `${host}:${port + 1}`,
    }))
    const options = addresses.map((listen, position) => ({
      directory: join(base, `member-${position + 1}`),
      clusterId: 'test-cluster',
      memberId: position + 1,
      members,
      listen,
      clusterSecret: 'test secret: ü',
      electionTimeoutMilliseconds,
      heartbeatMilliseconds: 30,
      blockEntries,
    }))
    for (const { directory, clusterId, memberId } of options)
      await formatDirectory(directory, { clusterId, memberId }, { standing: 'founding', blockEntries })
    return new TestCluster(base, options)
  }

  optionsOf(member: number): MemberOptions {
    const options = this.options[member - 1]
    if (options === undefined) throw new Error(`no member ${member}`)
    return options
  }

  async open(member: number, change: Partial<MemberOptions> = {}): Promise<Log> {
    const log = await openLog({
      ...this.optionsOf(member),
      ...change,
      failed: (error) => this.failures.push(error),
      warn: (message) => this.warnings.push(message),
    })
    this.#running.add(log)
    return log
  }

  async openAll(): Promise<Log[]> {
    return Promise.all(this.options.map(({ memberId }) => this.open(memberId)))
  }

  async close(log: Log): Promise<void> {
    this.#running.delete(log)
    await log.close()
  }

  async remove(): Promise<void> {
    await Promise.all([...this.#running].map((log) => log.close()))
    await rm(this.base, { recursive: true, force: true })
  }
}

export function leadershipOf(log: Log): Leadership {
  let latest: Leadership = { term: 0, leader: 0, ready: false }
  log.leadership
    .subscribe((leadership) => {
      latest = leadership
    })
    .unsubscribe()
  return latest
}

/** The member that leads and is ready. */
export async function leaderOf(logs: readonly Log[]): Promise<Log> {
  return eventually('a leader', () => logs.find((log) => leadershipOf(log).ready))
}

/** Proposes at the end of the leader's log. */
export function propose(log: Log, payloads: readonly string[]): Promise<void> {
  const { term, lastIndex } = log.status()
  return log.propose({ term, firstIndex: lastIndex + 1, payloads: payloads.map((text) => Buffer.from(text)) })
}

/** Everything a member has delivered, as text; no-ops as `noop`. */
export function collect(log: Log, from = 1): string[] {
  const collected: string[] = []
  log.follow(from, (entries) => {
    for (const { kind, payload } of entries) {
      collected.push(kind === 'noop' ? 'noop' : Buffer.from(payload).toString())
    }
  })
  return collected
}
