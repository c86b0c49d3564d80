import type { Bug } from './bug.ts'

const raft = 'log/raft/raft.ts'
const leading = 'log/raft/leading.ts'
const follower = 'log/raft/follower.ts'
const reads = 'log/raft/read_index.ts'
const progress = 'log/raft/progress.ts'
const log = 'log/raft/raft_log.ts'

/** Bugs of the core: each takes one rule of Raft away. */
export const coreBugs: readonly Bug[] = [
  {
    name: 'votes for a candidate with an older log',
    breaks: 'leader completeness',
    file: raft,
    find: 'canVote && this.#log.isUpToDate(request.lastIndex, request.lastTerm)',
    replace: 'canVote',
  },
  {
    name: 'votes twice in a term',
    breaks: 'election safety',
    file: raft,
    find: '(vote === 0 && this.#leader === 0)',
    replace: 'this.#leader === 0',
  },
  {
    name: 'forgets its vote when it hears the term again',
    breaks: 'election safety',
    file: 'log/raft/term_state.ts',
    find: 'if (term > this.term) this.#present',
    replace: 'if (term >= this.term) this.#present',
  },
  {
    name: 'stores a vote late',
    breaks: 'durability before an answer',
    file: 'log/raft/term_state.ts',
    find: 'this.#handed.term === this.term && this.#handed.vote === this.vote',
    replace: 'this.#handed.term === this.term',
  },
  {
    name: 'answers a vote before it is durable',
    breaks: 'durability before an answer',
    file: raft,
    find: 'this.#outbox.sendAfterSync(response)\n  }\n\n  /** Of two',
    replace: 'this.#outbox.sendNow(response)\n  }\n\n  /** Of two',
  },
  {
    name: 'asks for votes before its own term is durable',
    breaks: 'durability before an answer',
    file: raft,
    find: 'this.#outbox.sendAfterSync(...this.#voteRequests',
    replace: 'this.#outbox.sendNow(...this.#voteRequests',
  },
  {
    name: 'keeps its vote in a new term',
    breaks: 'progress',
    file: 'log/raft/term_state.ts',
    find: 'this.#present = { term, vote }',
    replace: 'this.#present = { term, vote: vote === 0 ? this.vote : vote }',
  },
  {
    name: 'takes a refusal for a vote',
    breaks: 'election safety',
    file: raft,
    find: 'tally.record(from, granted)',
    replace: 'tally.record(from, granted || !granted)',
  },
  {
    name: 'counts votes of another campaign',
    breaks: 'election safety',
    file: raft,
    find: 'if (isExpected && response.term === campaignTerm)',
    replace: 'if (isExpected || this.#tally !== null)',
  },
  {
    name: 'takes a third of the members for a majority',
    breaks: 'election safety',
    file: 'log/raft/election.ts',
    find: 'return Math.floor(members / 2) + 1',
    replace: 'return Math.max(1, Math.floor(members / 2))',
  },
  {
    name: 'commits an entry of an older term by counting',
    breaks: 'leader completeness',
    file: leading,
    find: 'return index >= this.firstIndex ? index : 0',
    replace: 'return index',
  },
  {
    name: 'counts itself before its own sync',
    breaks: 'no committed entry lost',
    file: leading,
    find: 'const held = [this.#log.stableIndex]',
    replace: 'const held = [this.#log.lastIndex]',
  },
  {
    name: 'takes a refusal for an acknowledgement',
    breaks: 'no committed entry lost',
    file: leading,
    find: 'if (response.success) {',
    replace: 'if (response.success || response.index <= this.#log.lastIndex) {',
  },
  {
    name: 'acknowledges entries before they are durable',
    breaks: 'durability before an answer',
    file: raft,
    find: 'if (!response.success || (isTermDurable && response.index <= stableIndex)) {',
    replace: 'if (response.term > 0) {',
  },
  {
    name: 'answers a heartbeat with what is not durable',
    breaks: 'durability before an answer',
    file: raft,
    find: '{ ...response, index: stableIndex }',
    replace: 'response',
  },
  {
    name: 'takes appends of an old leader',
    breaks: 'log matching',
    file: raft,
    find: 'else if (term < this.#state.term) this.#stepStale(message)',
    replace:
      "else if (term < this.#state.term && message.type !== 'append_request') this.#stepStale(message)",
  },
  {
    name: 'cuts off entries without a conflict',
    breaks: 'no committed entry lost',
    file: follower,
    find: 'entries.slice(countHeld(log, entries))',
    replace: 'entries.slice(0 * countHeld(log, entries))',
  },
  {
    name: 'does not compare the term before an append',
    breaks: 'log matching',
    file: follower,
    find: 'previousIndex > log.lastIndex || log.termAt(previousIndex) !== previousTerm',
    replace: 'previousIndex > log.lastIndex',
  },
  {
    name: 'does not look for conflicts',
    breaks: 'log matching',
    file: follower,
    find: 'entry.index > log.lastIndex || log.termAt(entry.index) !== entry.term',
    replace: 'entry.index > log.lastIndex',
  },
  {
    name: 'commits entries that the leader did not vouch for',
    breaks: 'state-machine safety',
    file: follower,
    find: 'Math.min(request.commit, lastIndex)',
    replace: 'Math.min(request.commit, log.lastIndex)',
  },
  {
    name: 'an old completion vouches for newer entries',
    breaks: 'durability before an answer',
    file: log,
    find: 'inFlight.vouchesFor = Math.min(inFlight.vouchesFor, index - 1)',
    replace: 'void inFlight',
  },
  {
    name: 'delivers what is not durable',
    breaks: 'state-machine safety',
    file: raft,
    find: 'Math.min(commit, this.#log.stableIndex)',
    replace: 'commit',
  },
  {
    name: 'uses a read tag again',
    breaks: 'linearizable reads',
    file: reads,
    find: 'this.#lastTag += 1',
    replace: 'this.#lastTag = 1',
  },
  {
    name: 'lets a read join a round under way',
    breaks: 'linearizable reads',
    file: reads,
    find: 'if (this.#openTag === 0) {',
    replace:
      'const underWay = this.#rounds.at(-1)\n    if (underWay !== undefined) return underWay.tag\n    if (this.#openTag === 0) {',
  },
  {
    name: 'reads before an entry of its term is committed',
    breaks: 'linearizable reads',
    file: raft,
    find: 'leading.hasCommitted && this.#reads.canStart',
    replace: 'this.#reads.canStart',
  },
  {
    name: 'refuses a proposal and appends it',
    breaks: 'what clients are told',
    file: raft,
    find: "if (!hasRoom || leading.transfer.target !== 0) return 'overloaded'\n    for (const payload of payloads) this.#appendOwn(leading, 'data', payload)",
    replace:
      "for (const payload of payloads) this.#appendOwn(leading, 'data', payload)\n    if (!hasRoom || leading.transfer.target !== 0) return 'overloaded'",
  },
  {
    name: 'takes a proposal without looking at its fence',
    breaks: 'what clients are told',
    file: raft,
    find: 'term !== leading.term || firstIndex !== this.#log.lastIndex + 1',
    replace: 'term !== leading.term',
  },
  {
    name: 'never lets go of backpressure',
    breaks: 'progress',
    file: raft,
    find: 'leading.uncommitted.committedTo(this.#log.commitIndex)',
    replace: 'void leading.uncommitted',
  },
  {
    name: 'never notices a lost append',
    breaks: 'progress',
    file: progress,
    find: "this.#stalled = this.state === 'replicate' && isUnanswered",
    replace: 'this.#stalled = isUnanswered && !isUnanswered',
  },
  {
    name: 'never sends a lost probe again',
    breaks: 'progress',
    file: progress,
    find: 'this.#probeOverdue = this.#probeSent',
    replace: 'this.#probeOverdue = false',
  },
  {
    name: 'never frees the window',
    breaks: 'progress',
    file: progress,
    find: 'this.#freeInflight(index)\n',
    replace: 'if (index < 0) this.#freeInflight(index)\n',
  },
  {
    name: 'does not go back to where the logs meet',
    breaks: 'progress',
    file: progress,
    find: 'Math.min(refusedIndex, probeNext + 1)',
    replace: 'Math.max(refusedIndex + 1, probeNext + 1)',
  },
]
