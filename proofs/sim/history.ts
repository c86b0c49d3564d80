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
export function payloadId({ payload }: Entry): number {
  if (payload.byteLength < 4) return 0
  return (
    (((payload[0] ?? 0) << 24) | ((payload[1] ?? 0) << 16) | ((payload[2] ?? 0) << 8) | (payload[3] ?? 0)) >>>
    0
  )
}

/** Byte by byte: a DataView for each would cost a twentieth of a simulation. */
export function payloadOf(id: number, bytes: number): Uint8Array {
  const payload = new Uint8Array(Math.max(4, bytes))
  payload[0] = id >>> 24
  payload[1] = id >>> 16
  payload[2] = id >>> 8
  payload[3] = id
  return payload
}
