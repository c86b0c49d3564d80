import { checkLinearizability, type LinearizabilityReport } from './checker/check.ts'
import type { Limits } from './checker/linearize.ts'
import { revisionProblems, type Told, toldBy } from './checker/real_time.ts'
import type { PhaseRecord } from './phase.ts'
import { explain } from './watch/explain.ts'
import { type Breach, breachesOf } from './watch/guarantees.ts'
import { eventsIn } from './watch/record.ts'
import { datedLooks, replay } from './watch/replay.ts'
import { mergeRecords } from './watch/store_log.ts'
import type { LookDone } from './workload/history.ts'

const LIMITS: Limits = { milliseconds: 20_000, states: 1_000_000 }

export interface Judgement {
  readonly linearizability: LinearizabilityReport
  /** Each says what is wrong; none when all is well. */
  readonly revisions: readonly string[]
  readonly watches: readonly Breach[]
  /** Watchers against each other, against the history, and against the reads of the past and of single members. */
  readonly events: readonly string[]
  readonly problems: readonly string[]
  readonly watchEvents: number
  readonly connections: number
}

/** Everything that can be wrong with a phase. `alone`: nobody else wrote to the store, so each of its revisions is the phase's. */
export function judge(record: PhaseRecord, alone: boolean): Judgement {
  const { history, watchers, from, until } = record
  const { operations, looks } = history
  const log = mergeRecords(watchers)
  const items = watchers.flatMap(({ items }) => items)
  return {
    linearizability: checkLinearizability(operations, LIMITS),
    revisions: revisionProblems([...toldBy(operations), ...looks.map(toldByLook)]),
    watches: watchers.flatMap((watcher) => breachesOf(watcher, log)),
    events: [
      ...log.problems.slice(0, 10),
      ...explain(log, operations, until),
      ...replay(log, datedLooks(looks), until),
      ...(alone ? holes(log.revisions, from, until) : []),
    ],
    problems: record.problems,
    watchEvents: eventsIn(items),
    connections: items.filter(({ kind }) => kind === 'created').length,
  }
}

/** What is wrong, each with the name of the check that found it. */
export function violationsOf(judgement: Judgement): readonly string[] {
  const { linearizability, revisions, watches, events, problems } = judgement
  return [
    ...linearizability.violations.map((text) => `linearizability: ${text}`),
    ...linearizability.undecided.map((text) => `not decided: ${text}`),
    ...revisions.map((text) => `revisions: ${text}`),
    ...watches.map(({ guarantee, what }) => `watch, ${guarantee}: ${what}`),
    ...events.map((text) => `events: ${text}`),
    ...problems,
  ]
}

function toldByLook({ client, call, end, serializable, answer }: LookDone): Told {
  const what = `client ${client}: ${serializable ? 'serializable' : 'linearizable'} get at revision ${answer.revision}`
  return { what, call, end, revision: answer.revision, isOwn: false, isStale: serializable }
}

function holes(revisions: readonly number[], from: number, until: number): readonly string[] {
  const known = new Set(revisions)
  const missing: number[] = []
  for (let revision = from; revision <= until && missing.length < 10; revision++)
    if (!known.has(revision)) missing.push(revision)
  return missing.length === 0 ? [] : [`no watcher was told of the revisions ${missing.join(', ')}`]
}
