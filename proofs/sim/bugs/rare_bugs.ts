import type { Bug } from './bug.ts'

const raft = 'log/raft/raft.ts'
const reads = 'log/raft/read_index.ts'

/** Bugs that show only in a schedule that takes hundreds of seeds to come by: hunted by `npm run proof -- sim --bugs`, not by the tests. */
export const rareBugs: readonly Bug[] = [
  {
    name: 'a transfer bypasses the check of the log',
    breaks: 'leader completeness',
    file: raft,
    find: 'canVote && this.#log.isUpToDate(request.lastIndex, request.lastTerm)',
    replace: 'canVote && (request.transfer || this.#log.isUpToDate(request.lastIndex, request.lastTerm))',
  },
  {
    name: 'leaves an old leader without an answer',
    breaks: 'progress',
    file: raft,
    find: 'this.#outbox.sendNow(staleAppendResponse(message, id, this.#state.term, this.#standing.voice))',
    replace: 'void message',
  },
  {
    name: 'takes any answer for the confirmation of a read',
    breaks: 'linearizable reads',
    file: reads,
    find: 'if (round.tag > tag) break',
    replace: 'void tag',
  },
  {
    name: 'reads without asking a quorum',
    breaks: 'linearizable reads',
    file: reads,
    find: 'round.confirmedBy.size >= this.#quorum',
    replace: 'round.confirmedBy.size >= 1',
  },
]
