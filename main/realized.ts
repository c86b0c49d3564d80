import type { Platform } from '../domains/kernel/platform.ts'
import type { DecisionRecord } from '../domains/kernel/record.ts'
import { Rejection } from '../domains/kernel/rejection.ts'

const POLL_MS = 20

/** Which realizers a decision concerns: the hosts of the incarnations it touches, and every name server or balancer where zones or balancers change. */
export function concernedBy(record: DecisionRecord, platform: Platform): readonly string[] {
  const beats = platform.heartbeats.all().map(({ realizer }) => realizer)
  const concerned = new Set<string>()
  for (const { type, data } of record.events) {
    if (type.startsWith('dns.'))
      for (const realizer of beats) if (realizer.startsWith('dns/')) concerned.add(realizer)
    if (type.startsWith('lb.'))
      for (const realizer of beats) if (realizer.startsWith('balancer/')) concerned.add(realizer)
    if (!type.startsWith('vm.')) continue
    const row: object | undefined = platform.engine.state.rows('vm.incarnation').get(String(data['uid']))
    const { host } = (row ?? {}) as { host?: string }
    if (host !== undefined) concerned.add(`host/${host}`)
  }
  return [...concerned]
}

/** Resolves once every realizer has reported a cursor at or past the revision. Rejects with TIMEOUT, naming those that have not. */
export async function whenRealized(
  platform: Platform,
  realizers: readonly string[],
  revision: number,
  timeoutMilliseconds: number,
): Promise<void> {
  const deadline = performance.now() + timeoutMilliseconds
  const behind = (): readonly string[] =>
    realizers.filter((realizer) => (platform.heartbeats.of(realizer)?.realizedRevision ?? 0) < revision)
  for (let waiting = behind(); waiting.length > 0; waiting = behind()) {
    if (performance.now() > deadline) {
      const cursors = waiting.map(
        (realizer) =>
          `${realizer} is at ${platform.heartbeats.of(realizer)?.realizedRevision ?? 'no revision it has told'}`,
      )
      throw new Rejection(
        'TIMEOUT',
        `committed at revision ${revision}, but not realized in ${timeoutMilliseconds} ms: ${cursors.join(', ')}`,
        { revision, waiting },
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
