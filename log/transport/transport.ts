import type { LogStatus } from '../log.ts'
import type { Message } from '../raft/types.ts'

/** How messages reach the peers. Sending never waits and never fails: what cannot be sent is dropped, and Raft tries again. */
export interface Transport {
  send(message: Message): void
  close(): Promise<void>
}

export interface TransportPorts {
  /** A peer's message, addressed to this member and from this cluster. */
  readonly deliver: (message: Message) => void
  readonly status: () => LogStatus
}
