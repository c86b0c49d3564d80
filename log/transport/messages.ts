import type {
  AppendRequest,
  AppendResponse,
  MemberId,
  ProbeRequest,
  ProbeResponse,
  Standing,
  VoteRequest,
  VoteResponse,
} from '../raft/types.ts'
import type { BlockPart } from '../storage/block.ts'
import { appendRequest, appendResponse } from './append_codec.ts'
import { type Codec, codecOf, type Method, methodOf, toNumber, type Uint64 } from './schema.ts'

type Wire<T> = {
  [Field in keyof Omit<T, 'type' | 'entries'>]: T[Field] extends number ? Uint64 : T[Field]
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
