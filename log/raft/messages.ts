import type { AppendOutcome } from './follower.ts'
import type { AppendRequest, AppendResponse, MemberId, VoteRequest, VoteResponse } from './types.ts'

/** Whether the answers of this member count, and if not, from which term on they can. */
export type Voice = Pick<AppendResponse, 'recovery' | 'neededTerm'>

/** A grant of a PreVote carries the term asked for; every other answer the voter's own. */
export function voteResponse(
  request: VoteRequest,
  from: MemberId,
  ownTerm: number,
  granted: boolean,
): VoteResponse {
  const { preVote } = request
  const term = preVote && granted ? request.term : ownTerm
  return { type: 'vote_response', from, to: request.from, term, preVote, granted }
}

export function appendResponse(
  request: AppendRequest,
  from: MemberId,
  outcome: AppendOutcome,
  voice: Voice,
): AppendResponse {
  const { term, readTag } = request
  return { type: 'append_response', from, to: request.from, term, ...outcome, readTag, ...voice }
}

/**
 * The answer to an append of an old term: it tells the present term, and speaks of no index and no read. The
 * sender may lead the present term by now, and must not take it for an answer to what it asks in that term.
 */
export function staleAppendResponse(
  request: AppendRequest,
  from: MemberId,
  ownTerm: number,
  voice: Voice,
): AppendResponse {
  const nothing = { success: false, index: 0, hintIndex: 0, hintTerm: 0, readTag: 0, ...voice }
  return { type: 'append_response', from, to: request.from, term: ownTerm, ...nothing }
}
