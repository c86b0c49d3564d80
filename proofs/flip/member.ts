import { hash } from 'node:crypto'
import { join } from 'node:path'
import { Platform } from '../../domains/kernel/platform.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { dump } from '../../domains/kernel/testing.ts'
import type { Log } from '../../log/log.ts'
import { openLog } from '../../log/node.ts'
import type { Calls } from '../../projections/kernel/protocol.ts'
import { Runner } from '../../projections/kernel/runner.ts'
import { until } from '../failover/until.ts'

const TIMEOUT_MS = 20_000
const READ_BYTES = 8 << 20
const PAGE = 1000
/** Everything that a member shows, for two of them to be compared. */
export interface Shown {
  /** The last entry there was. */
  readonly lastIndex: number
  /** What is shown, by where. */
  readonly parts: Readonly<Record<string, string>>
}

export interface Opening {
  readonly directory: string
  readonly registry: Registry
  /** Of a block of the log; few, so that a small log has many sealed segments. */
  readonly blockEntries: number
}

/** A member without its edges: the log, the state and, unless it was opened without, the projections. */
export class Member {
  readonly log: Log
  readonly platform: Platform
  readonly runner: Runner | undefined
  readonly #said: readonly string[]

  private constructor(log: Log, platform: Platform, runner: Runner | undefined, said: readonly string[]) {
    this.log = log
    this.platform = platform
    this.runner = runner
    this.#said = said
  }

  /** Rejects with what the member says when it does not start. */
  static async open(
    { directory, registry, blockEntries }: Opening,
    { projected }: { readonly projected: boolean },
  ): Promise<Member> {
    const said: string[] = []
    const warn = (message: string): number => said.push(message)
    const fatal = (error: Error): number => said.push(`fatal: ${error.message}`)
    const address = { id: 1, name: 'one', peerAddress: '127.0.0.1:0', clientAddress: '127.0.0.1:0' }
    const log = await openLog({
      directory: join(directory, 'chainfire'),
      clusterId: 'flip',
      memberId: 1,
      members: [address],
      listen: { host: '127.0.0.1', port: 0 },
      clusterSecret: 'flip',
      blockEntries,
      heartbeatMilliseconds: 20,
      electionTimeoutMilliseconds: 80,
      failed: fatal,
      warn,
    })
    const closing: (() => Promise<void>)[] = [() => log.close()]
    try {
      const rows = join(directory, 'rows')
      const platform = await Platform.open({ log, registry, directory: rows, onFatal: fatal })
      closing.push(() => platform.close())
      const runner = projected
        ? await Runner.open({
            log,
            directory: join(directory, 'projections'),
            worker: new URL('../../main/projection_worker.ts', import.meta.url),
            onFatal: fatal,
            warn,
          })
        : undefined
      closing.push(async () => runner?.close())
      await until('a leader', TIMEOUT_MS, () => fatalOr(said) ?? (platform.leading || undefined))
      return new Member(log, platform, runner, said)
    } catch (error) {
      for (const close of closing.reverse()) await close()
      throw error
    }
  }

  /** What was found damaged and is sound again. */
  get repairs(): readonly string[] {
    return [...this.#said, this.platform.repaired, this.runner?.repaired].filter((text) => text !== undefined)
  }

  /** Everything up to an entry, once the rows were scrubbed. Rejects when something of it cannot be read. */
  async shown(registry: Registry, to?: number): Promise<Shown> {
    const lastIndex = to ?? this.platform.applied.revision
    const { runner } = this
    await until('all entries', TIMEOUT_MS, () => {
      fatalOr(this.#said)
      const isRead = runner === undefined || (runner.scrubs > 0 && runner.revision >= lastIndex)
      return (isRead && this.platform.applied.revision >= lastIndex) || undefined
    })
    const parts: Record<string, string> = {
      entries: await this.#entries(lastIndex),
      state: dump(this.platform.engine.state),
      ...(runner === undefined ? {} : await shownBy(registry, (method, ask) => runner.call(method, ask))),
    }
    fatalOr(this.#said)
    return { lastIndex, parts }
  }

  async close(): Promise<void> {
    await this.runner?.close()
    await this.platform.close().catch(() => undefined)
    await this.log.close()
  }

  async #entries(lastIndex: number): Promise<string> {
    const digests: string[] = []
    for (let next = 1; next <= lastIndex; ) {
      const entries = await this.log.read(next, lastIndex, READ_BYTES)
      for (const { index, term, kind, payload } of entries)
        digests.push(`${index} ${term} ${kind} ${hash('sha256', payload)}`)
      next += entries.length
    }
    return hash('sha256', digests.join('\n'))
  }
}

/** What projections show, by where. */
export async function shownBy(
  registry: Registry,
  call: <M extends 'digests' | 'entries' | 'read'>(
    method: M,
    ask: Calls[M]['ask'],
  ) => Promise<Calls[M]['answer']>,
): Promise<Record<string, string>> {
  const parts: Record<string, string> = {}
  const { digests } = await call('digests', {})
  for (const { projection, digest } of digests) parts[`digest of ${projection}`] = digest
  for (const kind of registry.kinds.keys()) {
    const rows: unknown[] = []
    let pageToken: string | undefined
    do {
      const page = await call('read', { kind, pageSize: PAGE, pageToken, now: 0 })
      rows.push(...page.rows)
      pageToken = page.nextPageToken === '' ? undefined : page.nextPageToken
    } while (pageToken !== undefined)
    parts[`rows of ${kind}`] = JSON.stringify(rows)
  }
  const found = await call('entries', { from: 1, limit: PAGE, command: undefined })
  parts['entries as projected'] = JSON.stringify(found)
  return parts
}

/** Throws what made the member stop. */
function fatalOr(said: readonly string[]): undefined {
  const fatal = said.find((text) => text.startsWith('fatal: '))
  if (fatal !== undefined) throw new Error(fatal)
  return undefined
}
