import { Balancer } from '../../edges/lb/balancer.ts'
import type { HealthChange, ListenerRow } from '../../edges/lb/listener-row.ts'
import { Connection, type DaemonOptions } from './connection.ts'

const REPORT_MAX = 256

/** A balancer that follows the listeners, and reports how members are. */
export async function startBalancerDaemon(options: DaemonOptions, fatal: (error: Error) => void) {
  const connection = await Connection.open(options)
  const reporter = new HealthReporter(connection, options.log)
  const balancer = new Balancer({ onHealth: (changes) => reporter.add(changes) })
  const position = { realizedRevision: 0, history: '' }
  const known = new Set<string>()
  const conditions = new Map<string, string>()
  connection.follow(
    'balancers',
    '',
    async ({ snapshot, changes, revision, history }) => {
      const rows = new Map(changes.map(({ key, row }) => [key, row as ListenerRow | null]))
      if (snapshot) for (const key of known) if (!rows.has(key)) rows.set(key, null)
      for (const [key, row] of rows) {
        if (row === null) known.delete(key)
        else known.add(key)
      }
      await balancer.apply([...rows].map(([key, row]) => ({ key, row })))
      for (const key of conditions.keys()) if (!known.has(key)) conditions.delete(key)
      for (const [key, { conditions: now }] of balancer.status()) {
        const said = now.map(({ code, reason }) => `${code}: ${reason}`).join('; ')
        if (said !== (conditions.get(key) ?? ''))
          options.log(`listener ${key}: ${said === '' ? 'all is well' : said}`)
        conditions.set(key, said)
      }
      Object.assign(position, { realizedRevision: revision, history })
      connection.beatNow()
    },
    fatal,
  )
  connection.heartbeat(`balancer/${options.name}`, () => position)
  return {
    close: async (): Promise<void> => {
      await connection.close()
      await balancer.close()
    },
  }
}

/** Sends what changed, newest word per member, one batch at a time; what did not get through goes out again with the next change. */
class HealthReporter {
  readonly #connection: Connection
  readonly #log: (line: string) => void
  readonly #waiting = new Map<
    string,
    { readonly member: string; readonly health: string; readonly reason: string }
  >()
  #sending = false

  constructor(connection: Connection, log: (line: string) => void) {
    this.#connection = connection
    this.#log = log
  }

  add(changes: readonly HealthChange[]): void {
    for (const { member, health, reason } of changes)
      this.#waiting.set(member, { member, health, reason: reason.slice(0, 1024) })
    if (!this.#sending) void this.#send()
  }

  async #send(): Promise<void> {
    this.#sending = true
    while (this.#waiting.size > 0) {
      const batch = [...this.#waiting.values()].slice(0, REPORT_MAX)
      for (const change of batch) this.#waiting.delete(change.member)
      try {
        await this.#connection.command('lb.ReportHealth', { changes: batch })
      } catch (error) {
        this.#log(`health was not reported: ${(error as Error).message}`)
        for (const change of batch)
          if (!this.#waiting.has(change.member)) this.#waiting.set(change.member, change)
        break
      }
    }
    this.#sending = false
  }
}
