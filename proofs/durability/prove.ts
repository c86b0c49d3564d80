import { randomInt } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Registry } from '../../domains/kernel/registry.ts'
import { loadDomains } from '../../domains/load.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'
import { lostOrDoubled } from '../failover/checks.ts'
import { ProcessCluster } from '../failover/cluster.ts'
import type { MemberProcess } from '../failover/member_process.ts'
import { PROJECT, ZONE } from '../failover/operations.ts'
import { until } from '../failover/until.ts'
import { backUpAndReplay } from './backups.ts'
import { type RestoreFigures, wipeAndRestore } from './wipe.ts'
import { Writers } from './writers.ts'

const CLIENTS = 8
const FIRST_ACKNOWLEDGED_MS = 30_000
/** A cycle is over after so long at the latest; the kill comes at a random moment before. */
const WRITING_MS = 1000
/** Every other cycle is also killed while it starts, at a random moment of that. */
const STARTING_MS = 1000

export interface DurabilityFigures extends RestoreFigures {
  readonly kills: number
  readonly kills_while_starting: number
  readonly commands_acknowledged: number
  readonly commands_unanswered: number
  readonly commands_unanswered_that_had_happened: number
  readonly revision: number
  readonly start_ms_median: number
  readonly start_ms_max: number
  readonly writing_ms: number
  readonly digests: Readonly<Record<string, string>>
}

/**
 * One member as a process that is killed at random moments while clients write to it, then backed up, wiped and restored. Throws Error,
 * saying what, when an acknowledged command is lost or doubled, or digests or rows are not what they were.
 */
export async function proveDurability(
  cycles: number,
  say: (line: string) => void,
): Promise<DurabilityFigures> {
  const cluster = await ProcessCluster.start(1)
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-durability-'))
  try {
    return await new Proof(cluster, await loadDomains(), directory, say).run(cycles)
  } catch (error) {
    for (const member of cluster.members) say(member.output)
    throw error
  } finally {
    await cluster.close()
    await rm(directory, { recursive: true, force: true })
  }
}

class Proof {
  readonly #cluster: ProcessCluster
  readonly #member: MemberProcess
  readonly #registry: Registry
  readonly #backup: string
  readonly #say: (line: string) => void
  readonly #writers = new Writers(CLIENTS)
  readonly #starts: number[] = []
  #killsWhileStarting = 0
  #writingMilliseconds = 0

  constructor(cluster: ProcessCluster, registry: Registry, directory: string, say: (line: string) => void) {
    this.#cluster = cluster
    this.#member = cluster.members[0] as MemberProcess
    this.#registry = registry
    this.#backup = join(directory, 'cloud.backup')
    this.#say = say
  }

  get #client(): ApiClient {
    return this.#cluster.clientOf(this.#member)
  }

  async run(cycles: number): Promise<DurabilityFigures> {
    const zone = { project: PROJECT, name: ZONE }
    await this.#client.command({ type: 'dns.CreateZone', data: zone })
    for (let cycle = 1; cycle <= cycles; cycle++) await this.#cycle(cycle)
    const { acknowledged, retried } = this.#writers
    const { replayed, figures } = await wipeAndRestore(
      { cluster: this.#cluster, registry: this.#registry, backup: this.#backup, say: this.#say },
      acknowledged,
    )
    const starts = this.#starts.sort((a, b) => a - b)
    return {
      kills: cycles + this.#killsWhileStarting,
      kills_while_starting: this.#killsWhileStarting,
      commands_acknowledged: acknowledged.length,
      commands_unanswered: retried.length,
      commands_unanswered_that_had_happened: retried.filter(({ duplicate }) => duplicate).length,
      revision: replayed.revision,
      start_ms_median: Math.round(starts[Math.floor(starts.length / 2)] ?? 0),
      start_ms_max: Math.round(starts.at(-1) ?? 0),
      writing_ms: Math.round(this.#writingMilliseconds),
      digests: Object.fromEntries(replayed.digests.map(({ projection, digest }) => [projection, digest])),
      ...figures,
    }
  }

  async #cycle(cycle: number): Promise<void> {
    const before = this.#writers.acknowledged.length
    const writing = this.#writers.writeUntilGone(this.#client)
    writing.catch(() => undefined)
    const started = performance.now()
    await until('acknowledged commands', FIRST_ACKNOWLEDGED_MS, () =>
      this.#writers.acknowledged.length > before + CLIENTS ? true : undefined,
    )
    await sleep(randomInt(WRITING_MS))
    await this.#member.kill()
    this.#writingMilliseconds += performance.now() - started
    await writing
    const acknowledged = this.#writers.acknowledged.length - before
    const open = this.#writers.open.length
    if (cycle % 2 === 0) await this.#killWhileStarting()
    await this.#start()
    await this.#writers.finishOpen(this.#client)
    const revision = await this.#check()
    this.#say(
      `cycle ${cycle}: killed with ${acknowledged} commands acknowledged and ${open} unanswered; none is lost or doubled at revision ${revision}, and the digests are those of a replay`,
    )
  }

  async #killWhileStarting(): Promise<void> {
    const starting = this.#member.start()
    starting.catch(() => undefined)
    await sleep(randomInt(STARTING_MS))
    await this.#member.kill()
    this.#killsWhileStarting += 1
  }

  async #start(): Promise<void> {
    const began = performance.now()
    await this.#member.start()
    this.#starts.push(performance.now() - began)
  }

  async #check(): Promise<number> {
    const { replayed } = await backUpAndReplay(this.#client, this.#backup, this.#registry)
    const { acknowledged } = this.#writers
    const problems = await lostOrDoubled(this.#cluster, acknowledged, replayed.revision)
    if (problems.length > 0) throw new Error(problems.slice(0, 20).join('\n'))
    return replayed.revision
  }
}
