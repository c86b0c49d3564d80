import type { AppendResponse } from '../../../log/raft/types.ts'
import type { Invariant, Observed } from '../invariant.ts'
import { Violation } from '../invariant.ts'

const name = 'durable before ack'

/**
 * Term, vote and entries are durable before anyone is told of them (Raft figure 2, "updated on stable storage before
 * responding"). So is a candidate's own term: a grant must not outlive a crash that takes back what it was given for.
 * And no write is reported durable before it is.
 */
export function durableBeforeAck(): Invariant {
  return {
    name,
    property: 'votes and acknowledgements tell only what a crash cannot take back',
    sending(member, message) {
      if (message.type === 'vote_response' && message.granted && !message.preVote) {
        const { durableTerm, durableVote } = member
        const isKept =
          durableTerm > message.term || (durableTerm === message.term && durableVote === message.to)
        if (!isKept)
          throw new Violation(
            name,
            `member ${member.id} told ${message.to} of a vote in term ${message.term} that is not durable`,
          )
      }
      if (message.type === 'vote_request' && !message.preVote && member.durableTerm < message.term) {
        throw new Violation(
          name,
          `member ${member.id} asks for votes in term ${message.term}, which is not durable`,
        )
      }
      if (message.type === 'append_request' && member.durableTerm < message.term) {
        throw new Violation(name, `member ${member.id} leads term ${message.term}, which is not durable`)
      }
      if (message.type === 'append_response' && message.success) checkAcknowledgement(member, message)
    },
    writeReported(member, write) {
      if (member.durableWrite < write.sequence) {
        throw new Violation(
          name,
          `member ${member.id} was told that write ${write.sequence} is durable before it is`,
        )
      }
    },
    writeDurable(member, write) {
      const last = write.entries.at(-1)
      if (last !== undefined && last.term > member.durableTerm) {
        throw new Violation(
          name,
          `member ${member.id} stored an entry of term ${last.term} before the term itself`,
        )
      }
    },
  }
}

function checkAcknowledgement(member: Observed, response: AppendResponse): void {
  const { index, term } = response
  if (member.durableTerm > term) return
  const held = member.durableLog[index - 1]
  // In a newer term, not durable yet, the core may have replaced the entry since; the disk still has to hold one.
  const isHeld = held !== undefined && (member.term > term || held.term === member.log[index - 1]?.term)
  if (member.durableTerm === term && (index === 0 || isHeld)) return
  throw new Violation(name, `member ${member.id} acknowledged ${index} in term ${term}, which is not durable`)
}
