import { setTimeout as sleep } from 'node:timers/promises'
import type { Cluster } from '../cluster/cluster.ts'
import type { Member } from '../cluster/member.ts'
import type { Random } from '../workload/random.ts'
import { type Fault, type FaultKind } from './fault.ts'
import { linkFault } from './link_faults.ts'
import { disk, kill, pause } from './process_faults.ts'

export interface NemesisParts {
  readonly cluster: Cluster
  readonly random: Random
  readonly kinds: readonly FaultKind[]
  readonly say: (line: string) => void
  /** Milliseconds from one fault's end to the next one, on the average. */
  readonly restMilliseconds: number
}

/** Does one thing after another to the members, sometimes two at once, until it is told to stop; then all is healed. */
export class Nemesis {
  readonly counts = new Map<FaultKind, number>()
  /** Syncs that a slow disk has held up. */
  delayedSyncs = 0
  readonly #parts: NemesisParts
  readonly #abort = new AbortController()
  readonly #ended: Promise<void>
  #failure: unknown

  constructor(parts: NemesisParts) {
    this.#parts = parts
    this.#ended = this.#run().catch((error: unknown) => {
      this.#failure = error
    })
  }

  /** Rejects when a fault could not be made, or undone. */
  async stop(): Promise<void> {
    this.#abort.abort()
    await this.#ended
    if (this.#failure !== undefined) throw this.#failure
  }

  async #run(): Promise<void> {
    const { random, kinds, restMilliseconds, cluster } = this.#parts
    const { signal } = this.#abort
    // Each kind comes up in turn, in an order that is shuffled anew, so that a short run has them all.
    let turn: FaultKind[] = []
    while (!signal.aborted) {
      await sleep(random.between(0.3, 1.7) * restMilliseconds, undefined, { signal }).catch(() => undefined)
      if (signal.aborted) return
      if (turn.length === 0) turn = shuffled(kinds, random)
      const kind = turn.pop()
      if (kind === undefined) return
      const target = await this.#target()
      const others = cluster.members.filter((member) => member !== target)
      const second = turn.length > 0 && others.length > 0 && random.chance(0.15) ? turn.pop() : undefined
      await Promise.all([
        this.#do(kind, target),
        second === undefined ? undefined : this.#do(second, random.pick(others)),
      ])
    }
  }

  async #do(kind: FaultKind, target: Member): Promise<void> {
    const { cluster, random, say } = this.#parts
    const fault = faultOf(kind, cluster)
    const { what, count } = await fault({
      cluster,
      random: random.fork(),
      target,
      signal: this.#abort.signal,
    })
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1)
    if (kind === 'disk') this.delayedSyncs += count ?? 0
    say(`fault: ${what}`)
  }

  /** The leader, mostly. */
  async #target(): Promise<Member> {
    const { cluster, random } = this.#parts
    const leader = random.chance(0.65) ? await cluster.knownLeader() : undefined
    return leader ?? random.pick(cluster.members)
  }
}

function faultOf(kind: FaultKind, { network }: Cluster): Fault {
  switch (kind) {
    case 'kill':
      return kill
    case 'pause':
      return pause
    case 'disk':
      return disk
    case 'links':
      if (network.links === undefined) throw new RangeError('links cannot be cut on loopback')
      return linkFault(network.links)
  }
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  return items
    .map((item) => ({ item, order: random.fraction() }))
    .sort((a, b) => a.order - b.order)
    .map(({ item }) => item)
}
