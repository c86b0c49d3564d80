import type { Contract } from './contract.ts'
import type { Draft, Process, ProcessView, StateSpec } from './domain.ts'
import type { Platform } from './platform.ts'

const DRAFTS_MAX = 256
/** After something was applied the processes look again; else every interval, for what only time brings. */
const WAKE_MS = 20
const INTERVAL_MS = 500

/** Runs every domain's processes while this member leads: one at a time, each draft a command like any other. */
export class ProcessRunner {
  readonly #platform: Platform
  readonly #clock: () => number
  readonly problems = new Map<string, string>()
  #running = false
  #busy = false
  /** Something was applied during the round under way. */
  #woken = false
  /** Where the next round begins in the drafts of a process that has more than fit in one: refused ones do not keep others out. */
  readonly #offsets = new Map<string, number>()
  #timer: NodeJS.Timeout | undefined
  #due = Number.POSITIVE_INFINITY

  constructor(platform: Platform, clock: () => number) {
    this.#platform = platform
    this.#clock = clock
  }

  start(): void {
    this.#running = true
    this.#schedule(WAKE_MS)
  }

  stop(): void {
    this.#running = false
    clearTimeout(this.#timer)
    this.#due = Number.POSITIVE_INFINITY
  }

  /** Something was applied. */
  wake(): void {
    if (!this.#running) return
    this.#woken = true
    this.#schedule(WAKE_MS)
  }

  #schedule(delay: number): void {
    const due = performance.now() + delay
    if (this.#busy || due >= this.#due) return
    clearTimeout(this.#timer)
    this.#due = due
    this.#timer = setTimeout(() => void this.#round(), delay)
  }

  async #round(): Promise<void> {
    this.#busy = true
    this.#woken = false
    this.#due = Number.POSITIVE_INFINITY
    for (const domain of this.#platform.engine.registry.all.values()) {
      for (const process of domain.processes) {
        if (this.#running && this.#platform.leading) await this.#run(process, domain.state)
      }
    }
    this.#busy = false
    if (this.#running) this.#schedule(this.#woken ? WAKE_MS : INTERVAL_MS)
  }

  async #run(process: Process, spec: StateSpec): Promise<void> {
    try {
      const drafts = this.#fitting(process.name, process.plan(this.#view(spec)))
      const actor = { principal: `process:${process.name}`, kind: 'process' } as const
      const replies = drafts.map(({ type, data, cause }) =>
        this.#platform.submit({ type, data, actor, commandId: '', cause }),
      )
      for (const settled of await Promise.allSettled(replies)) {
        if (settled.status === 'rejected') throw settled.reason
      }
      this.problems.delete(process.name)
    } catch (error) {
      this.problems.set(process.name, error instanceof Error ? error.message : String(error))
    }
  }

  #fitting(process: string, drafts: readonly Draft[]): readonly Draft[] {
    if (drafts.length <= DRAFTS_MAX) {
      this.#offsets.delete(process)
      return drafts
    }
    const from = (this.#offsets.get(process) ?? 0) % drafts.length
    this.#offsets.set(process, from + DRAFTS_MAX)
    return [...drafts.slice(from), ...drafts.slice(0, from)].slice(0, DRAFTS_MAX)
  }

  #view(spec: StateSpec): ProcessView {
    const { engine, heartbeats } = this.#platform
    return {
      state: engine.state.view(spec),
      now: this.#clock(),
      leaderSince: heartbeats.since,
      history: engine.history ?? { history: '', parent: '' },
      heartbeat: (host) => heartbeats.of(`host/${host}`)?.at,
      resource: <C extends Contract, K extends Extract<keyof C['resources'], string>>(contract: C, kind: K) =>
        engine.state.resource(contract, kind),
      referrers: <C extends Contract, K extends Extract<keyof C['resources'], string>>(
        contract: C,
        kind: K,
        identity: string,
      ) => engine.state.referrers(contract, kind, identity),
      view: <S extends StateSpec>(other: S) => engine.state.view(other),
    }
  }
}
