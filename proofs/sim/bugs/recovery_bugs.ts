import type { Bug } from './bug.ts'

const raft = 'log/raft/raft.ts'
const leading = 'log/raft/leading.ts'
const standing = 'log/raft/standing.ts'

/** Bugs of what keeps a lost disk harmless: found by wipes. */
export const recoveryBugs: readonly Bug[] = [
  {
    name: 'a wiped member votes',
    breaks: 'leader completeness',
    file: raft,
    find: 'this.#standing.isVoter && canVote',
    replace: 'canVote',
  },
  {
    name: 'a wiped member is a voter at once',
    breaks: 'leader completeness',
    file: standing,
    find: "return this.#standing === 'voter'",
    replace: "return this.#standing !== 'founding'",
  },
  {
    name: 'a member that was formatted is a voter at once',
    breaks: 'leader completeness',
    file: standing,
    find: "this.#standing === 'founding' && this.#config.members.length === 1",
    replace: "this.#standing === 'founding'",
  },
  {
    name: 'a wiped member never gets its vote back',
    breaks: 'progress',
    file: standing,
    find: 'const isLater = this.#neededTerm > 0 && term >= this.#neededTerm',
    replace: 'const isLater = this.#neededTerm > 0 && term < 0',
  },
  {
    name: 'nobody makes a new term for a wiped member',
    breaks: 'progress',
    file: leading,
    find: 'if (response.recovery !== 0 && response.neededTerm > this.term) this.#renewTerm(progress)',
    replace: 'if (response.recovery < 0) this.#renewTerm(progress)',
  },
]

/** These take a schedule that is hard to come by. */
export const rareRecoveryBugs: readonly Bug[] = [
  {
    name: 'recovers in the term in which it began',
    breaks: 'election safety',
    file: standing,
    find: 'this.#neededTerm = 1 + Math.max(...voters.map(({ term }) => term))',
    replace: 'this.#neededTerm = Math.max(1, ...voters.map(({ term }) => term))',
  },
  {
    name: 'recovers before it holds what is committed',
    breaks: 'leader completeness',
    file: raft,
    find: 'if (this.#log.termAt(index) !== term || !this.#standing.confirmed(term)) return',
    replace: 'if (index < 1 || !this.#standing.confirmed(term)) return',
  },
]
