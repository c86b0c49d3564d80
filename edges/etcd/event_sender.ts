import type { KeyEvent } from '../../projections/keys/queries.ts'
import type { CallStream } from './call_stream.ts'
import { encodedEvents } from './event_messages.ts'
import { framedParts } from './frames.ts'
import type { Member } from './member.ts'
import { encode } from './messages.ts'

/** A response for a client that takes fragments is no larger. */
const FRAGMENT_BYTES = 1_500_000

/** Tells a client of the events of one watch. */
export class EventSender {
  readonly #call: CallStream
  readonly #member: Member
  readonly #watchId: number
  readonly #fragment: boolean
  /** What has come of a revision that is to be told of in one message. */
  #held: Buffer[] = []
  #heldBytes = 0
  #ended = false

  constructor(call: CallStream, member: Member, watchId: number, fragment: boolean) {
    this.#call = call
    this.#member = member
    this.#watchId = watchId
    this.#fragment = fragment
  }

  /** A watch that ends on the way says no more: its id may be another's by then. */
  end(): void {
    this.#ended = true
    this.#call.hold(-this.#heldBytes)
    this.#heldBytes = 0
    this.#held = []
  }

  /** Events up to a revision; with `more`, that revision goes on with the next call. */
  async send(revision: number, events: readonly KeyEvent[], more: boolean): Promise<void> {
    if (this.#fragment) {
      const fragments = fragmented(events)
      for (const [index, fragment] of fragments.entries()) {
        if (this.#ended) return
        const goesOn = more || index < fragments.length - 1
        await this.#sendMessage(revision, [encodedEvents(fragment)], goesOn)
      }
      return
    }
    const part = encodedEvents(events)
    if (more) {
      this.#held.push(part)
      this.#heldBytes += part.length
      this.#call.hold(part.length)
      return
    }
    const parts = [...this.#held, part]
    const bytes = this.#heldBytes
    this.#held = []
    this.#heldBytes = 0
    await this.#sendMessage(revision, parts, false)
    if (bytes > 0) this.#call.hold(-bytes)
  }

  #sendMessage(revision: number, parts: readonly Buffer[], goesOn: boolean): Promise<void> {
    const fields = { header: this.#member.header(revision), watchId: this.#watchId }
    const start = encode('WatchResponse', goesOn ? { ...fields, fragment: true } : fields)
    return this.#call.sendFramed(framedParts(start, parts))
  }
}

/** Parts of about a bounded size; one event is never cut. */
function fragmented(events: readonly KeyEvent[]): readonly (readonly KeyEvent[])[] {
  const parts: KeyEvent[][] = [[]]
  let bytes = 0
  for (const event of events) {
    const { kv, previous } = event
    const size = kv.key.length * 2 + kv.value.length + (previous?.value.length ?? 0) + 64
    if (bytes + size > FRAGMENT_BYTES && bytes > 0) {
      parts.push([])
      bytes = 0
    }
    parts.at(-1)?.push(event)
    bytes += size
  }
  return parts
}
