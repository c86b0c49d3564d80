import type { Heartbeat } from '../domains/kernel/heartbeats.ts'
import type { Platform } from '../domains/kernel/platform.ts'
import type { DecisionRecord } from '../domains/kernel/record.ts'
import { Rejection } from '../domains/kernel/rejection.ts'

/** What is told of realizers, and the history of the log. */
export type RealizedBy = Pick<Platform, 'heartbeats' | 'history'>

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

/**
 * Resolves once every realizer has reported a cursor at or past the revision, in the history of the log. Rejects with TIMEOUT, naming
 * those that have not.
 */
export async function whenRealized(
  platform: RealizedBy,
  realizers: readonly string[],
  revision: number,
  timeoutMilliseconds: number,
): Promise<void> {
  const { heartbeats } = platform
  const reached = (realizer: string): boolean => {
    const beat = heartbeats.of(realizer)
    return beat !== undefined && beat.history === platform.history && beat.realizedRevision >= revision
  }
  const behind = (): readonly string[] => realizers.filter((realizer) => !reached(realizer))
  if (behind().length === 0) return
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const timer = setTimeout(() => {
    const waiting = behind()
    const cursors = waiting.map(
      (realizer) => `${realizer} is at ${cursorOf(heartbeats.of(realizer), platform)}`,
    )
    const message = `committed at revision ${revision}, but not realized in ${timeoutMilliseconds} ms: ${cursors.join(', ')}`
    reject(new Rejection('TIMEOUT', message, { revision, waiting }))
  }, timeoutMilliseconds)
  const forget = heartbeats.onBeat(() => {
    if (behind().length === 0) resolve()
  })
  try {
    await promise
  } finally {
    clearTimeout(timer)
    forget()
  }
}

function cursorOf(beat: Heartbeat | undefined, { history }: RealizedBy): string {
  if (beat === undefined) return 'no revision it has told'
  return beat.history === history
    ? String(beat.realizedRevision)
    : `${beat.realizedRevision} of another history`
}
