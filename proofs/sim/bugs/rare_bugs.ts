import type { Bug } from './bug.ts'

const raft = 'log/raft/raft.ts'
const reads = 'log/raft/read_index.ts'
const disk = 'proofs/sim/disk.ts'

/** Bugs that show only in a schedule that takes hundreds of seeds to come by: hunted by `bugs/main.ts`, not by the tests. */
export const rareBugs: readonly Bug[] = [
  {
    name: 'a transfer bypasses the check of the log',
    file: raft,
    find: 'canVote && this.#log.isUpToDate(request.lastIndex, request.lastTerm)',
    replace: 'canVote && (request.transfer || this.#log.isUpToDate(request.lastIndex, request.lastTerm))',
  },
  {
    name: 'leaves an old leader without an answer',
    file: raft,
    find: 'this.#outbox.sendNow(staleAppendResponse(message, id, this.#state.term, this.#standing.voice))',
    replace: 'void message',
  },
  {
    name: 'takes any answer for the confirmation of a read',
    file: reads,
    find: 'if (round.tag > tag) break',
    replace: 'void tag',
  },
  {
    name: 'forgets only the vote in a crash',
    file: disk,
    find: 'this.#queue = []\n  }\n\n  #sync',
    replace:
      'this.#queue = []\n    this.#hardState = { term: this.#hardState.term, vote: 0 }\n  }\n\n  #sync',
  },
  {
    name: 'writes the term after its entries',
    file: disk,
    find: 'if (this.#random.chance(0.5)) this.#applyBatch()',
    replace:
      'const before = this.#hardState\n    if (this.#random.chance(0.5)) this.#applyBatch()\n    this.#hardState = before',
  },
]
