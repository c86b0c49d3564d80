import type { Entry } from '../../log/raft/types.ts'

export interface CommittedEntry {
  readonly entry: Entry
  /** The term of the member that committed it first. */
  readonly committedIn: number
}

/** Everything that was ever known to be committed by anyone, in order: the truth that members are held to. */
export class History {
  readonly #committed: CommittedEntry[] = []

  get lastIndex(): number {
    return this.#committed.length
  }

  at(index: number): CommittedEntry | undefined {
    return this.#committed[index - 1]
  }

  add(entry: Entry, committedIn: number): void {
    if (entry.index !== this.lastIndex + 1)
      throw new RangeError(`entry ${entry.index} leaves a hole in history`)
    this.#committed.push({ entry, committedIn })
  }
}

/** The same entry: same place, term, kind and payload. */
export function isSameEntry(left: Entry, right: Entry): boolean {
  return (
    left.index === right.index &&
    left.term === right.term &&
    left.kind === right.kind &&
    (left.payload === right.payload || payloadId(left) === payloadId(right))
  )
}

/** Client payloads begin with an id that is used once; a no-op has 0. */
export function payloadId(entry: Entry): number {
  const { payload } = entry
  if (payload.byteLength < 4) return 0
  return new DataView(payload.buffer, payload.byteOffset).getUint32(0)
}

export function payloadOf(id: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(Math.max(4, bytes))
  new DataView(payload.buffer).setUint32(0, id)
  return payload
}
