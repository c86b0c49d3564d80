/** A member of the cluster: 1, 2, 3, … as in the configuration. 0 means "none". */
export type MemberId = number

/** `noop` opens a leader's term (Raft §5.4.2, §8); `data` carries a payload of the layer above. */
export type EntryKind = 'noop' | 'data'

export interface Entry {
  /** First entry is 1; contiguous. */
  readonly index: number
  readonly term: number
  readonly kind: EntryKind
  readonly payload: Uint8Array
}

export interface HardState {
  readonly term: number
  /** Who got this member's vote in `term`; 0 for nobody. */
  readonly vote: MemberId
}

/**
 * What a member may do. A `voter` votes, campaigns and counts. A `founding` member was formatted, and asks whether all
 * others were, too. A `recovering` one has lost its disk: it takes entries, and neither votes nor counts until it can
 * contradict nothing that it has forgotten.
 */
export type Standing = 'voter' | 'founding' | 'recovering'

/** The end of the log with which a directory was formatted: all zero, or the end of a restored backup. */
export interface Origin {
  readonly index: number
  readonly term: number
  /** Equal logs have equal checksums. */
  readonly checksum: number
}

interface Envelope {
  readonly from: MemberId
  readonly to: MemberId
  readonly term: number
}

export interface VoteRequest extends Envelope {
  readonly type: 'vote_request'
  readonly preVote: boolean
  /** A leadership transfer: bypasses the vote lease and PreVote. */
  readonly transfer: boolean
  readonly lastIndex: number
  readonly lastTerm: number
}

export interface VoteResponse extends Envelope {
  readonly type: 'vote_response'
  readonly preVote: boolean
  readonly granted: boolean
}

export interface AppendRequest extends Envelope {
  readonly type: 'append_request'
  readonly previousIndex: number
  readonly previousTerm: number
  readonly entries: readonly Entry[]
  readonly commit: number
  /** The newest ReadIndex round this message confirms; answered as it is. */
  readonly readTag: number
  /** Leadership transfer: the receiver campaigns at once. */
  readonly timeoutNow: boolean
}

export interface AppendResponse extends Envelope {
  readonly type: 'append_response'
  readonly success: boolean
  /** With success: the last index known to match. Otherwise: the refused `previousIndex`. */
  readonly index: number
  /** Conflict hint for a refusal: the index and term to probe next; 0 otherwise. */
  readonly hintIndex: number
  readonly hintTerm: number
  readonly readTag: number
  /**
   * 0 from a voter. Otherwise the sender counts for no quorum; the number is drawn anew at each of its starts, since a
   * disk that was lost again holds less than was acknowledged before.
   */
  readonly recovery: number
  /** The first term whose leader can make a recovering member a voter; 0 while that is not known, and for voters. */
  readonly neededTerm: number
}

/** Asks a peer how it stands. Its term and that of the answer change nobody's: they are facts, not claims. */
export interface ProbeRequest extends Envelope {
  readonly type: 'probe_request'
  /** Drawn anew at each start, so that no answer to an earlier life is taken for one to this. */
  readonly nonce: number
}

export interface ProbeResponse extends Envelope {
  readonly type: 'probe_response'
  readonly nonce: number
  readonly standing: Standing
  /** Term and log are those it was formatted with: it has never voted, nor acknowledged anything. */
  readonly untouched: boolean
  /** The checksum of its origin. */
  readonly originChecksum: number
}

export type Message =
  | VoteRequest
  | VoteResponse
  | AppendRequest
  | AppendResponse
  | ProbeRequest
  | ProbeResponse

/** What the pure core reads of the durable log: synchronous, and covering stored entries alone. */
export interface LogView {
  /** 0 when the log is empty. */
  lastIndex(): number
  /** The term of a stored entry, or 0 for index 0. Throws RangeError outside [0, lastIndex]. */
  termAt(index: number): number
  /**
   * Entries from `from` (inclusive) in order: at most `limitBytes` of payload, but one entry at least when there is one. Empty while
   * the first cannot be read: its segment is damaged, and being repaired.
   */
  entries(from: number, to: number, limitBytes: number): readonly Entry[]
}
