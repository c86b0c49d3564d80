import { ELECTION_TIMEOUT_MS_MAX } from '../../failover/cluster.ts'
import { until } from '../../failover/until.ts'
import { settledRevision } from './keys.ts'
import { type Context, figureOf, type Measure, spreadOf, type Target } from './measure.ts'
import { PutClient } from './put_client.ts'
import { alternate, followersOf, leaderOf, type Subject } from './subject.ts'

const MEMBERS = 3
const RUNNING_TIMEOUT_MS = 20_000
/** Puts are acknowledged by each of the others for so long before the leader ends, and after. */
const STEADY_PUTS = 50
const GRACE_MS = 500
const GRACE_QUICK_MS = 100

const targets: Readonly<Record<How, Target>> = {
  crash: { of: 'value', bound: 'at most', number: 2 * ELECTION_TIMEOUT_MS_MAX },
  shutdown: { of: 'value', bound: 'at most', number: 100 },
}

type How = 'crash' | 'shutdown'

/** How long the clients of the other members get no put acknowledged when the leader is killed, and when it is told to end. */
export const failover: Measure = {
  name: 'failover',
  run: (context) =>
    context.clusters.with(MEMBERS, async (...subjects) => {
      return [await gap(context, subjects, 'crash'), await gap(context, subjects, 'shutdown')]
    }),
}

async function gap(context: Context, subjects: readonly [Subject, Subject], how: How) {
  const calm: number[] = []
  const { ours, etcd } = await alternate(context.runs, subjects, async (subject, run) => {
    const { milliseconds, calmMilliseconds, refusals } = await failOnce(context, subject, how)
    const said = [...refusals].map(([text, count]) => `${count} × ${text}`).join('; ')
    context.say(
      `failover by ${how}, run ${run + 1}: ${subject.kind} ${milliseconds.toFixed(0)} ms (before it ${calmMilliseconds.toFixed(0)} ms); refused: ${said || 'none'}`,
    )
    if (subject.kind === 'ultracloud') calm.push(calmMilliseconds)
    return milliseconds
  })
  return figureOf({
    name: `failover_${how}`,
    unit: 'ms',
    ours,
    etcd,
    target: targets[how],
    also: { without_failover_ms_median: spreadOf(calm).median },
  })
}

interface Gap {
  readonly milliseconds: number
  /** The longest in a while before, when nothing ended: what the machine does by itself. */
  readonly calmMilliseconds: number
  readonly refusals: ReadonlyMap<string, number>
}

/** Ends the leader while clients of the others put, and starts it again. */
async function failOnce({ quick, signal }: Context, subject: Subject, how: How): Promise<Gap> {
  const grace = quick ? GRACE_QUICK_MS : GRACE_MS
  const leader = await leaderOf(subject)
  const clients = followersOf(subject, leader).map(({ address }, index) => new PutClient(address, index))
  const acknowledgedSince = (began: number, count: number): Promise<true> =>
    until('puts that are acknowledged', RUNNING_TIMEOUT_MS, () => {
      signal.throwIfAborted()
      const steady = clients.every(
        ({ acknowledged }) => acknowledged.filter((at) => at >= began).length >= count,
      )
      return steady ? true : undefined
    })
  const longestGap = (from: number): number => Math.max(...clients.map((client) => client.longestGap(from)))
  try {
    await acknowledgedSince(performance.now(), STEADY_PUTS)
    const calmFrom = performance.now()
    await acknowledgedSince(calmFrom + grace, STEADY_PUTS)
    const calmMilliseconds = longestGap(calmFrom)
    const told = performance.now()
    await (how === 'crash' ? leader.kill() : leader.stop())
    await acknowledgedSince(performance.now() + grace, STEADY_PUTS)
    await Promise.all(clients.map((client) => client.close()))
    const refusals = new Map(clients.flatMap((client) => [...client.refusals]))
    return { milliseconds: longestGap(told), calmMilliseconds, refusals }
  } finally {
    await Promise.all(clients.map((client) => client.close()))
    await leader.start()
    await Promise.all(
      subject.members.map(({ address }) =>
        until(`${address} answers`, RUNNING_TIMEOUT_MS, () =>
          settledRevision(address).catch(() => undefined),
        ),
      ),
    )
  }
}
