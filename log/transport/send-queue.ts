import type { Message } from '../raft/types.ts'
import { queuedBytesMax, queuedMessagesMax } from './limits.ts'

interface Writable<M> {
  write(message: M, written: () => void): boolean
}

/** Writes to a stream as long as what the other side has not taken yet stays within bounds; drops otherwise. */
export class SendQueue<M extends Message> {
  readonly #stream: Writable<M>
  #messages = 0
  #bytes = 0

  constructor(stream: Writable<M>) {
    this.#stream = stream
  }

  /** False when the message was dropped. */
  send(message: M): boolean {
    const bytes = payloadBytes(message)
    if (this.#messages >= queuedMessagesMax || (this.#messages > 0 && this.#bytes + bytes > queuedBytesMax)) {
      return false
    }
    this.#messages += 1
    this.#bytes += bytes
    this.#stream.write(message, () => {
      this.#messages -= 1
      this.#bytes -= bytes
    })
    return true
  }
}

function payloadBytes(message: Message): number {
  if (message.type !== 'append_request') return 0
  return message.entries.reduce((total, { payload }) => total + payload.length, 0)
}
