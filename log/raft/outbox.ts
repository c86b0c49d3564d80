import type { Effects, FinishedRead, LeadershipChange, Write } from './effects.ts'
import type { Message } from './types.ts'

/** Collects what the next Effects will say, and remembers what the last ones said. */
export class Outbox {
  #messagesNow: Message[] = []
  #messagesAfterSync: Message[] = []
  #finishedReads: FinishedRead[] = []
  #failedReads: number[] = []
  #commit: number
  #deliverable: number
  #leadership: LeadershipChange = { term: 0, leader: 0, firstIndex: 0 }

  constructor(commit: number) {
    this.#commit = commit
    this.#deliverable = commit
  }

  /** For what a crash may take back: questions, refusals, a leader's appends. */
  sendNow(...messages: readonly Message[]): void {
    this.#messagesNow.push(...messages)
  }

  /** For what promises something. */
  sendAfterSync(...messages: readonly Message[]): void {
    this.#messagesAfterSync.push(...messages)
  }

  finishReads(reads: readonly FinishedRead[]): void {
    this.#finishedReads.push(...reads)
  }

  failReads(tags: readonly number[]): void {
    this.#failedReads.push(...tags)
  }

  /** Null when there is nothing to do. */
  take(
    write: Write | null,
    commit: number,
    deliverable: number,
    leadership: LeadershipChange,
  ): Effects | null {
    const isNewLeadership = !isSameLeadership(leadership, this.#leadership)
    const effects: Effects = {
      write,
      messagesNow: this.#messagesNow,
      messagesAfterSync: this.#messagesAfterSync,
      commit,
      deliverable,
      reads: this.#finishedReads,
      failedReads: this.#failedReads,
      leadership: isNewLeadership ? leadership : null,
    }
    const isNewCommit = commit !== this.#commit || deliverable !== this.#deliverable
    const messages = this.#messagesNow.length + this.#messagesAfterSync.length
    const reads = this.#finishedReads.length + this.#failedReads.length
    if (write === null && !isNewCommit && !isNewLeadership && messages + reads === 0) return null
    this.#messagesNow = []
    this.#messagesAfterSync = []
    this.#finishedReads = []
    this.#failedReads = []
    this.#commit = commit
    this.#deliverable = deliverable
    this.#leadership = leadership
    return effects
  }
}

function isSameLeadership(left: LeadershipChange, right: LeadershipChange): boolean {
  return left.term === right.term && left.leader === right.leader && left.firstIndex === right.firstIndex
}
