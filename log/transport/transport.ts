import type { LogStatus } from '../log.ts'
import type { MemberId, Message } from '../raft/types.ts'
import type { BlockPart } from '../storage/block.ts'

/** How messages reach the peers. Sending never waits and never fails: what cannot be sent is dropped, and Raft tries again. */
export interface Transport {
  send(message: Message): void
  /** Asks a peer for the sealed block that begins with an entry. Throws, also within the iteration, why it does not give it. */
  fetchBlock(peer: MemberId, firstIndex: number, signal: AbortSignal): AsyncIterable<BlockPart>
  close(): Promise<void>
}

export interface TransportPorts {
  /** A peer's message, addressed to this member and from this cluster. */
  readonly deliver: (message: Message) => void
  readonly status: () => LogStatus
  /** The sealed block that begins with an entry, for a peer. Throws RangeError when there is none, SegmentDamaged when it is damaged. */
  readonly block: (firstIndex: number) => AsyncIterable<BlockPart>
}
