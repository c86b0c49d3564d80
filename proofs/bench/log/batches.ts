import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { ProcessCluster } from '../../failover/cluster.ts'
import type { MemberProcess } from '../../failover/member_process.ts'
import { startEtcdServers } from './etcd.ts'
import { figureOf, type Measure } from './measure.ts'
import { putLoad } from './puts.ts'

const MEMBERS = 3
/** With so many in flight etcd takes the most. */
const ETCD_IN_FLIGHT = 1024
const ANSWER_TIMEOUT_MS = 60_000

/** Entries a second that three members commit in batches through the port of the log, beside the puts of three members of etcd. */
export const batches: Measure = {
  name: 'batches',
  run: async (context) => {
    const cluster = await ProcessCluster.prepare(MEMBERS)
    const members: BatchMember[] = []
    try {
      for (const member of cluster.members) members.push(new BatchMember(member, context.signal))
      const leader = await Promise.any(members.map((member) => member.leads))
      const etcd = await startEtcdServers(MEMBERS)
      try {
        const rates: { readonly ours: number; readonly etcd: number }[] = []
        for (let run = 0; run < context.runs; run++) {
          const ours = await leader.commit(context.seconds)
          const { requests_per_second } = await putLoad(context, etcd, ETCD_IN_FLIGHT, context.seconds)
          rates.push({ ours, etcd: requests_per_second })
          context.say(
            `batches, run ${run + 1}: ${ours.toFixed(0)} entries/s; etcd ${requests_per_second.toFixed(0)} puts/s`,
          )
        }
        return [figure(rates)]
      } finally {
        await etcd.close()
      }
    } finally {
      await Promise.all(members.map((member) => member.close()))
      await cluster.close()
    }
  },
}

/** Held against the best that etcd did. */
function figure(rates: readonly { readonly ours: number; readonly etcd: number }[]) {
  return figureOf({
    name: `batched_commits_${MEMBERS}`,
    unit: 'entries/s',
    ours: rates.map(({ ours }) => ours),
    etcd: [Math.max(...rates.map(({ etcd }) => etcd))],
    target: { of: 'ratio', bound: 'at least', number: 3 },
  })
}

class BatchMember {
  /** This member, once it leads. */
  readonly leads: Promise<this>
  readonly #child: ChildProcess
  readonly #ended: Promise<unknown>
  #answer: ((line: string) => void) | undefined

  constructor({ directory, config }: MemberProcess, signal: AbortSignal) {
    const program = new URL('./batch_process.ts', import.meta.url).pathname
    const child = spawn(process.execPath, [program, directory, config], {
      stdio: ['pipe', 'pipe', 'inherit'],
      signal,
      killSignal: 'SIGKILL',
    })
    this.#child = child
    this.#ended = once(child, 'close').catch(() => undefined)
    const leads = Promise.withResolvers<this>()
    createInterface({ input: child.stdout }).on('line', (line) => {
      if (line === 'leads') leads.resolve(this)
      else this.#answer?.(line)
    })
    void this.#ended.then(() => leads.reject(new Error('a member has ended')))
    this.leads = leads.promise
    this.leads.catch(() => undefined)
  }

  /** Commits batches for so long, and resolves with the entries a second. */
  async commit(seconds: number): Promise<number> {
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    this.#answer = resolve
    const timer = setTimeout(
      () => reject(new Error('the leader does not say what it committed')),
      seconds * 1000 + ANSWER_TIMEOUT_MS,
    )
    void this.#ended.then(() => reject(new Error('the leader has ended')))
    this.#child.stdin?.write(`${seconds}\n`)
    return Number(await promise.finally(() => clearTimeout(timer)))
  }

  async close(): Promise<void> {
    this.#child.stdin?.end()
    const timer = setTimeout(() => this.#child.kill('SIGKILL'), ANSWER_TIMEOUT_MS)
    await this.#ended
    clearTimeout(timer)
  }
}
