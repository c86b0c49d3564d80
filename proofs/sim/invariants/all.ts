import type { History } from '../history.ts'
import type { Invariant, Observed } from '../invariant.ts'
import { clientOracle } from './client_oracle.ts'
import { durableBeforeAck } from './durable_before_ack.ts'
import { electionSafety } from './election_safety.ts'
import { goodCopy } from './good_copy.ts'
import { leaderAppendOnly } from './leader_append_only.ts'
import { leaderCompleteness } from './leader_completeness.ts'
import { linearizableRead } from './linearizable_read.ts'
import { logMatching } from './log_matching.ts'
import { monotonicCommit } from './monotonic_commit.ts'
import { noCommittedEntryLost } from './no_committed_entry_lost.ts'
import { ownTermCommit } from './own_term_commit.ts'
import { restart } from './restart.ts'
import { stateMachineSafety } from './state_machine_safety.ts'

/** Every invariant, fresh for one simulation. */
export function allInvariants(
  history: History,
  memberCount: number,
  all: () => readonly Observed[],
): Invariant[] {
  return [
    electionSafety(),
    leaderAppendOnly(),
    logMatching(),
    leaderCompleteness(history),
    stateMachineSafety(history),
    ownTermCommit(history),
    noCommittedEntryLost(history, memberCount, all),
    goodCopy(history, all),
    restart(),
    monotonicCommit(history),
    durableBeforeAck(),
    linearizableRead(),
    clientOracle(history),
  ]
}
