import type { AppendOutcome } from './follower.ts'
import type { AppendRequest, AppendResponse, MemberId, VoteRequest, VoteResponse } from './types.ts'

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
): AppendResponse {
  const { term, readTag } = request
  return { type: 'append_response', from, to: request.from, term, ...outcome, readTag }
}

/**
 * The answer to an append of an old term: it tells the present term, and speaks of no index and no read. The
 * sender may lead the present term by now, and must not take it for an answer to what it asks in that term.
 */
export function staleAppendResponse(request: AppendRequest, from: MemberId, ownTerm: number): AppendResponse {
  const nothing = { success: false, index: 0, hintIndex: 0, hintTerm: 0, readTag: 0 }
  return { type: 'append_response', from, to: request.from, term: ownTerm, ...nothing }
}
