import type { Decide } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import contract from '../contract.ts'
import { type IncarnationLifecycle, mayRun } from '../contract_resources.ts'
import type state from '../state.ts'
import type { Incarnation } from '../state.ts'
import { requireWordOf } from './hosts.ts'
import { isCurrent, recordGone, settleInstance } from './observation.ts'
import { placeInstance, requireInstance, type VmContext } from './placement.ts'

type Incarnations = 'PlaceInstance' | 'ReportIncarnation' | 'AdoptHistory' | 'RecordIncarnationGone'

/** How long to wait after no host could take an instance. */
const PLACE_RETRY_MS = 5000
/** Incarnations put in doubt by one entry. */
const DOUBTS_MAX = 1000
/** As many as a host’s row holds: the latest. */
const QUARANTINED_MAX = 256

export const incarnations: Pick<Decide<typeof state>, Incarnations> = {
  PlaceInstance: ({ instance: uid }, context) => {
    requireWaiting(context, uid)
    const found = placeInstance(context, uid)
    if (found === undefined) return { uid, placed: true }
    const { conditions } = requireInstance(context, uid)
    if (
      conditions.some(
        ({ type, status, message }) => type === 'Placed' && !status && message === found.message,
      )
    )
      return reject('NO_CAPACITY', found.message)
    context.emit('InstanceNotPlaced', {
      uid,
      lifecycle: 'pending',
      retryAt: context.now + PLACE_RETRY_MS,
      conditions: [{ type: 'Placed', status: false, reason: 'NoCapacity', message: found.message }],
    })
    return { uid, placed: false }
  },
  ReportIncarnation: ({ incarnation: uid, ...report }, context) => {
    const { generation, lifecycle } = report
    const incarnation = context.state.incarnation.get(uid)
    if (incarnation === undefined) return reportUnknown(context, uid, lifecycle, report.reason)
    requireWordOf(context, incarnation.host)
    if (lifecycle === 'unknown' || lifecycle === 'fenced')
      reject('INVALID_ARGUMENT', `lifecycle: a host cannot report ${lifecycle}`, { field: 'lifecycle' })
    if (generation !== incarnation.generation)
      reject(
        'FAILED_PRECONDITION',
        `incarnation ${incarnation.name} has generation ${incarnation.generation}, not ${generation}: end it`,
        { generation: incarnation.generation },
      )
    if (isOver(context, incarnation)) return forgetOver(context, incarnation, lifecycle)
    if (!isNews(incarnation, report)) return { uid }
    context.emit('IncarnationReported', {
      uid,
      lifecycle,
      reason: report.reason,
      forwards: mayRun(lifecycle) ? report.forwards : [],
      acceleration: report.acceleration ?? incarnation.acceleration,
      guestReady: mayRun(lifecycle) && report.guestReady,
      since: lifecycle === incarnation.lifecycle ? incarnation.since : context.now,
    })
    settleInstance(context, incarnation)
    return { uid }
  },
  AdoptHistory: ({ history, sinceTime }, context) => {
    const adopted = context.state.adopted.get('current')
    if (adopted?.history === history && adopted.complete)
      return reject('FAILED_PRECONDITION', `history ${history} is adopted already`)
    const sinceRevision = adopted?.history === history ? adopted.sinceRevision : context.revision
    const older = context.state.incarnation
      .list('trusted', '')
      .filter(
        ({ revision, updatedAt }) =>
          revision < sinceRevision && (sinceTime === undefined || updatedAt < sinceTime),
      )
    const doubted = older.slice(0, DOUBTS_MAX)
    for (const incarnation of doubted) {
      context.emit('IncarnationDoubted', {
        uid: incarnation.uid,
        lifecycle: 'unknown',
        reason: 'it ran in an earlier history, and its host has not said yet that it still does',
        since: context.now,
        guestReady: false,
      })
      settleInstance(context, incarnation)
    }
    context.emit('HistoryAdopted', { history, sinceRevision, complete: doubted.length === older.length })
    return { doubted: doubted.length }
  },
  RecordIncarnationGone: ({ incarnation: uid, reason }, context) => {
    const incarnation = requireIncarnation(context, uid)
    if (incarnation.lifecycle !== 'unknown')
      reject(
        'FAILED_PRECONDITION',
        `incarnation ${incarnation.name} is ${incarnation.lifecycle}, not in doubt`,
      )
    recordGone(context, incarnation, reason)
    return { uid }
  },
}

function requireIncarnation(context: VmContext, uid: string): Incarnation {
  return context.state.incarnation.get(uid) ?? reject('NOT_FOUND', `vm.incarnation ${uid} does not exist`)
}

function requireWaiting(context: VmContext, uid: string): void {
  const { name, intent, incarnation, retryAt } = requireInstance(context, uid)
  if (intent !== 'running') reject('FAILED_PRECONDITION', `instance ${name} should be ${intent}`)
  const last = context.state.incarnation.get(incarnation ?? '')
  if (last !== undefined && mayRun(last.lifecycle))
    reject('FAILED_PRECONDITION', `instance ${name} has incarnation ${last.name}, which is ${last.lifecycle}`)
  if (retryAt > context.now)
    reject('FAILED_PRECONDITION', `instance ${name} waits for ${retryAt - context.now} ms more`)
}

/** A host has something that the log does not know: it is kept on the host’s row for as long as it may run. */
function reportUnknown(
  context: VmContext,
  uid: string,
  lifecycle: IncarnationLifecycle,
  reason: string,
): { uid: string } {
  const [host, ambiguous] = context.state.host.list('account', context.actor.principal)
  if (host === undefined || ambiguous !== undefined)
    return reject('NOT_FOUND', `vm.incarnation ${uid} does not exist`)
  const others = host.quarantined.filter(({ incarnation }) => incarnation !== uid)
  const quarantined = mayRun(lifecycle)
    ? [...others, { incarnation: uid, reason: reason.slice(0, 255) }].slice(-QUARANTINED_MAX)
    : others
  if (JSON.stringify(quarantined) !== JSON.stringify(host.quarantined))
    context.emit('HostReported', { uid: host.uid, quarantined })
  return { uid }
}

/** True for an incarnation that must not run whatever its host says: it has ended, was fenced, or a newer one took its place. */
function isOver(context: VmContext, incarnation: Incarnation): boolean {
  return !mayRun(incarnation.lifecycle) || !isCurrent(context, incarnation)
}

function forgetOver(
  context: VmContext,
  incarnation: Incarnation,
  lifecycle: IncarnationLifecycle,
): { uid: string } {
  const { uid, name } = incarnation
  if (mayRun(lifecycle))
    reject('FAILED_PRECONDITION', `incarnation ${name} is over (${incarnation.lifecycle}): end it`, {
      lifecycle: incarnation.lifecycle,
    })
  if (lifecycle !== 'destroyed' || incarnation.lifecycle === 'destroyed') return { uid }
  if (isCurrent(context, incarnation)) {
    context.emit('IncarnationReported', { uid, lifecycle, since: context.now })
    settleInstance(context, incarnation)
  } else {
    context.remove(contract, 'incarnation', uid)
  }
  return { uid }
}

function isNews(
  known: Incarnation,
  report: Pick<Incarnation, 'lifecycle' | 'reason' | 'guestReady' | 'forwards'>,
): boolean {
  return (
    known.lifecycle !== report.lifecycle ||
    known.reason !== report.reason ||
    known.guestReady !== report.guestReady ||
    JSON.stringify(known.forwards) !== JSON.stringify(report.forwards)
  )
}
