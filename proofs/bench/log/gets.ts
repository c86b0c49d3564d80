import { RawClient } from '../../../edges/etcd/testing/client.ts'
import { type LoadFigures, load } from './h2load.ts'
import { answerBytes, put, rangeMessage } from './keys.ts'
import { type Context, type Figure, figureOf, type Measure, type Target } from './measure.ts'
import { alternate, leaderOf, type Subject } from './subject.ts'

const MEMBERS = 3
/** Calls in flight. */
const depths = [64, 1024] as const
const WARM_UP_SECONDS = 1
const atLeastAsMany: Target = { of: 'ratio', bound: 'at least', number: 1 }

/** Reads of one key a second on three members, by the leader: linearizable, and serializable. */
export const gets: Measure = {
  name: 'gets',
  run: (context) =>
    context.clusters.with(MEMBERS, async (...subjects) => {
      for (const subject of subjects) await prepare(context, subject)
      const figures: Figure[] = []
      for (const serializable of [false, true])
        for (const inFlight of depths)
          figures.push(...(await atDepth(context, subjects, serializable, inFlight)))
      return figures
    }),
}

async function prepare(context: Context, subject: Subject): Promise<void> {
  const { address } = await leaderOf(subject)
  using client = new RawClient(address)
  for (let key = 0; key < context.keys; key++) await put(client, key)
  await getLoad(context, subject, false, 64, Math.min(WARM_UP_SECONDS, context.seconds))
}

async function atDepth(
  context: Context,
  subjects: readonly [Subject, Subject],
  serializable: boolean,
  inFlight: number,
): Promise<Figure[]> {
  const kind = serializable ? 'serializable' : 'linearizable'
  const { ours, etcd } = await alternate(context.runs, subjects, async (subject, run) => {
    const found = await getLoad(context, subject, serializable, inFlight, context.seconds)
    context.say(
      `${kind} gets, ${inFlight} in flight, run ${run + 1}: ${subject.kind} ${found.requests_per_second.toFixed(0)}/s`,
    )
    return found
  })
  const of = (name: string, unit: string, figure: keyof LoadFigures, target?: Target): Figure =>
    figureOf({
      name,
      unit,
      ours: ours.map((each) => each[figure]),
      etcd: etcd.map((each) => each[figure]),
      target,
    })
  const target = serializable ? undefined : atLeastAsMany
  return [
    of(`gets_${kind}_${MEMBERS}_${inFlight}`, 'gets/s', 'requests_per_second', target),
    of(`get_p50_${kind}_${MEMBERS}_${inFlight}`, 'µs', 'latency_us_p50'),
    of(`get_p99_${kind}_${MEMBERS}_${inFlight}`, 'µs', 'latency_us_p99'),
  ]
}

/** Reads from the leader for so long. Rejects unless every answer had the length of one that holds the value. */
async function getLoad(
  { keys, quick, signal }: Context,
  subject: Subject,
  serializable: boolean,
  inFlight: number,
  seconds: number,
): Promise<LoadFigures> {
  const { address } = await leaderOf(subject)
  const messages = Array.from({ length: Math.min(keys, inFlight) }, (_, key) =>
    rangeMessage(key, serializable),
  )
  const bytes = await Promise.all(messages.map((message) => answerBytes(address, message)))
  const found = await load({ address, method: 'KV/Range', messages, inFlight, seconds, quick, signal })
  // What was under way at the end has come in parts.
  const least = found.requests * Math.min(...bytes)
  const most = (found.requests + inFlight) * Math.max(...bytes)
  if (found.data_bytes < least || found.data_bytes > most)
    throw new Error(
      `${subject.kind} answered ${found.requests} gets with ${found.data_bytes} bytes, where ${least} to ${most} are due`,
    )
  return found
}
