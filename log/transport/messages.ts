import type {
  AppendRequest,
  AppendResponse,
  Entry,
  EntryKind,
  MemberId,
  ProbeRequest,
  ProbeResponse,
  Standing,
  VoteRequest,
  VoteResponse,
} from '../raft/types.ts'
import type { BlockPart } from '../storage/block.ts'
import { type Codec, codecOf, type Method, methodOf, toNumber, type Uint64 } from './schema.ts'

type Wire<T> = {
  [Field in keyof Omit<T, 'type' | 'entries'>]: T[Field] extends number ? Uint64 : T[Field]
}

interface WireEntry {
  readonly term: Uint64
  readonly kind: number
  readonly payload: Uint8Array
}

const kindCodes: Readonly<Record<EntryKind, number>> = { noop: 1, data: 2 }
const kindsByCode: readonly (EntryKind | undefined)[] = [undefined, 'noop', 'data']

const noBytes = new Uint8Array(0)

function decodeEntries(wire: readonly WireEntry[], previousIndex: number): Entry[] {
  return wire.map(({ term, kind, payload }, position) => {
    const known = kindsByCode[kind]
    if (known === undefined) throw new RangeError(`unknown kind of entry: ${kind}`)
    // For an absent field protobufjs gives a plain array.
    const bytes = payload.length === 0 ? noBytes : payload
    return { index: previousIndex + 1 + position, term: toNumber(term), kind: known, payload: bytes }
  })
}

/** Maps the core's messages to those of the contract. Decoding throws when the bytes make no such message. */
function mapped<T extends object, W extends object>(
  codec: Codec<W>,
  encode: (value: T) => W,
  decode: (wire: W) => T,
): Codec<T> {
  return {
    encode: (value) => codec.encode(encode(value)),
    decode: (bytes) => decode(codec.decode(bytes)),
  }
}

const voteRequest = mapped<VoteRequest, Wire<VoteRequest>>(
  codecOf('VoteRequest'),
  (message) => message,
  (wire) => ({
    type: 'vote_request',
    from: toNumber(wire.from),
    to: toNumber(wire.to),
    term: toNumber(wire.term),
    preVote: wire.preVote,
    transfer: wire.transfer,
    lastIndex: toNumber(wire.lastIndex),
    lastTerm: toNumber(wire.lastTerm),
  }),
)

const voteResponse = mapped<VoteResponse, Wire<VoteResponse>>(
  codecOf('VoteResponse'),
  (message) => message,
  (wire) => ({
    type: 'vote_response',
    from: toNumber(wire.from),
    to: toNumber(wire.to),
    term: toNumber(wire.term),
    preVote: wire.preVote,
    granted: wire.granted,
  }),
)

type WireAppendRequest = Wire<AppendRequest> & { readonly entries: readonly WireEntry[] }

const appendRequest = mapped<AppendRequest, WireAppendRequest>(
  codecOf('AppendEntriesRequest'),
  (message) => ({
    ...message,
    entries: message.entries.map(({ term, kind, payload }) => ({ term, kind: kindCodes[kind], payload })),
  }),
  (wire) => {
    const previousIndex = toNumber(wire.previousIndex)
    return {
      type: 'append_request',
      from: toNumber(wire.from),
      to: toNumber(wire.to),
      term: toNumber(wire.term),
      previousIndex,
      previousTerm: toNumber(wire.previousTerm),
      entries: decodeEntries(wire.entries, previousIndex),
      commit: toNumber(wire.commit),
      readTag: toNumber(wire.readTag),
      timeoutNow: wire.timeoutNow,
    }
  },
)

const appendResponse = mapped<AppendResponse, Wire<AppendResponse>>(
  codecOf('AppendEntriesResponse'),
  (message) => message,
  (wire) => ({
    type: 'append_response',
    from: toNumber(wire.from),
    to: toNumber(wire.to),
    term: toNumber(wire.term),
    success: wire.success,
    index: toNumber(wire.index),
    hintIndex: toNumber(wire.hintIndex),
    hintTerm: toNumber(wire.hintTerm),
    readTag: toNumber(wire.readTag),
    recovery: toNumber(wire.recovery),
    neededTerm: toNumber(wire.neededTerm),
  }),
)

const probeRequest = mapped<ProbeRequest, Wire<ProbeRequest>>(
  codecOf('ProbeRequest'),
  (message) => message,
  (wire) => ({
    type: 'probe_request',
    from: toNumber(wire.from),
    to: toNumber(wire.to),
    term: toNumber(wire.term),
    nonce: toNumber(wire.nonce),
  }),
)

const standingCodes: Readonly<Record<Standing, number>> = { voter: 1, founding: 2, recovering: 3 }
const standingsByCode: readonly (Standing | undefined)[] = [undefined, 'voter', 'founding', 'recovering']

type WireProbeResponse = Omit<Wire<ProbeResponse>, 'standing'> & { readonly standing: number }

const probeResponse = mapped<ProbeResponse, WireProbeResponse>(
  codecOf('ProbeResponse'),
  (message) => ({ ...message, standing: standingCodes[message.standing] }),
  (wire) => {
    const standing = standingsByCode[wire.standing]
    if (standing === undefined) throw new RangeError(`unknown standing: ${wire.standing}`)
    return {
      type: 'probe_response',
      from: toNumber(wire.from),
      to: toNumber(wire.to),
      term: toNumber(wire.term),
      nonce: toNumber(wire.nonce),
      standing,
      untouched: wire.untouched,
      originChecksum: toNumber(wire.originChecksum),
    }
  },
)

/** Asks for the sealed block that begins with an entry. */
export interface BlockRequest {
  readonly from: MemberId
  readonly to: MemberId
  readonly firstIndex: number
}

const blockRequest = mapped<BlockRequest, Omit<BlockRequest, 'firstIndex'> & { readonly firstIndex: Uint64 }>(
  codecOf('BlockRequest'),
  (message) => message,
  ({ from, to, firstIndex }) => ({ from, to, firstIndex: toNumber(firstIndex) }),
)

export const peerService: {
  readonly vote: Method<VoteRequest, VoteResponse>
  readonly appendEntries: Method<AppendRequest, AppendResponse>
  readonly probe: Method<ProbeRequest, ProbeResponse>
  readonly fetchBlock: Method<BlockRequest, BlockPart>
} = {
  vote: methodOf('ChainfirePeer', 'Vote', voteRequest, voteResponse),
  appendEntries: methodOf('ChainfirePeer', 'AppendEntries', appendRequest, appendResponse),
  probe: methodOf('ChainfirePeer', 'Probe', probeRequest, probeResponse),
  fetchBlock: methodOf('ChainfirePeer', 'FetchBlock', blockRequest, codecOf<BlockPart>('BlockPart')),
}
