import { type LoadFigures, load } from './h2load.ts'
import { putMessages, settledRevision } from './keys.ts'
import { type Context, type Figure, figureOf, type Measure, type Target } from './measure.ts'
import { alternate, leaderOf, type Size, type Subject } from './subject.ts'

const sizes: readonly Size[] = [1, 3]
/** Calls in flight. */
const depths = [1, 64, 1024] as const
const WARM_UP_SECONDS = 1

/** By the name of the figure. */
const targets: Readonly<Record<string, Target>> = {
  puts_3_1024: { of: 'ratio', bound: 'at least', number: 1 },
  put_p50_1_1: { of: 'ratio', bound: 'at most', number: 1.2 },
}

/** Puts a second, and how long one takes: on one member and on three, with few and with many in flight. */
export const puts: Measure = {
  name: 'puts',
  run: async (context) => {
    const figures: Figure[] = []
    for (const size of sizes)
      figures.push(...(await context.clusters.with(size, (...both) => onMembers(context, size, both))))
    return figures
  },
}

async function onMembers(
  context: Context,
  size: Size,
  subjects: readonly [Subject, Subject],
): Promise<Figure[]> {
  const figures: Figure[] = []
  for (const subject of subjects)
    await putLoad(context, subject, 64, Math.min(WARM_UP_SECONDS, context.seconds))
  for (const inFlight of depths) {
    const { ours, etcd } = await alternate(context.runs, subjects, async (subject, run) => {
      const found = await putLoad(context, subject, inFlight, context.seconds)
      const { requests_per_second: rate, latency_us_p50: p50 } = found
      context.say(
        `puts, ${size} members, ${inFlight} in flight, run ${run + 1}: ${subject.kind} ${rate.toFixed(0)}/s, p50 ${p50.toFixed(0)} µs`,
      )
      return found
    })
    const of = (name: string, unit: string, figure: keyof LoadFigures): Figure =>
      figureOf({
        name,
        unit,
        ours: ours.map((each) => each[figure]),
        etcd: etcd.map((each) => each[figure]),
        target: targets[name],
      })
    figures.push(
      of(`puts_${size}_${inFlight}`, 'puts/s', 'requests_per_second'),
      of(`put_p50_${size}_${inFlight}`, 'µs', 'latency_us_p50'),
      of(`put_p99_${size}_${inFlight}`, 'µs', 'latency_us_p99'),
    )
  }
  return figures
}

/** Puts to the leader for so long. Rejects unless the store's revision has grown by what was answered. */
export async function putLoad(
  context: Pick<Context, 'keys' | 'quick' | 'signal'>,
  subject: Subject,
  inFlight: number,
  seconds: number,
): Promise<LoadFigures> {
  const { address } = await leaderOf(subject)
  const before = await settledRevision(address)
  const messages = putMessages(Math.min(context.keys, inFlight))
  const { signal, quick } = context
  const found = await load({ address, method: 'KV/Put', messages, inFlight, seconds, quick, signal })
  const done = (await settledRevision(address)) - before
  // What was under way at the end may be done too, and nobody waits for its answer.
  if (done < found.requests || done > found.requests + inFlight)
    throw new Error(
      `${subject.kind} answered ${found.requests} puts with ${inFlight} in flight, and did ${done}`,
    )
  return found
}
