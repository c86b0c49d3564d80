import { reject } from './rejection.ts'
import type { State } from './state.ts'
import type { Table } from './table.ts'
import { uuidTime } from './uuid.ts'

/** Accepted commands that are remembered, at most. */
const ENTRIES_MAX = 100_000
/** How far a command id's time may be ahead of the leader's clock. */
const SKEW_MAX_MS = 5 * 60_000

interface Accepted {
  readonly actor: string
  readonly commandId: string
  readonly hash: string
  readonly revision: number
  readonly result: Readonly<Record<string, unknown>>
}

interface Floor {
  /** Ids with this time or an earlier one are refused as expired: some of them are forgotten. */
  readonly time: number
}

/**
 * Same command id, same answer, within a bounded window. An id is scoped by its actor, bound to a hash of its request and
 * carries its time (UUIDv7), so that one too old to be remembered is refused instead of run again. What is forgotten first is the id
 * with the earliest time, not the one accepted first: else one client whose clock is ahead would have everybody else refused.
 */
export class Dedupe {
  readonly #accepted: Table<Accepted, never, never, never>
  readonly #floor: Table<Floor, never, never, never>
  readonly #entriesMax: number

  constructor(state: State, entriesMax = ENTRIES_MAX) {
    this.#accepted = state.addKernelTable<Accepted, never, never, never>('accepted', {})
    this.#floor = state.addKernelTable<Floor, never, never, never>('accepted_floor', {})
    this.#entriesMax = entriesMax
  }

  /** What the same command was answered; undefined when it has not run. Rejects an id that cannot be trusted. */
  find(actor: string, commandId: string, hash: string, now: number): Accepted | undefined {
    const time = uuidTime(commandId)
    if (time === undefined)
      reject('INVALID_ARGUMENT', `command id ${commandId} is no UUIDv7 (RFC 9562): it must carry its time`, {
        field: 'commandId',
      })
    if (time > now + SKEW_MAX_MS)
      reject(
        'INVALID_ARGUMENT',
        `command id ${commandId} is of a time more than 5 minutes ahead: set the clock`,
        { field: 'commandId' },
      )
    const found = this.#accepted.get(keyOf(actor, commandId))
    if (found !== undefined) {
      if (found.hash !== hash)
        reject(
          'COMMAND_ID_REUSED',
          `command id ${commandId} was used for another request at revision ${found.revision}: take a new one`,
          { revision: found.revision },
        )
      return found
    }
    if (time <= (this.#floor.get('floor')?.time ?? 0)) {
      reject(
        'COMMAND_ID_EXPIRED',
        `command id ${commandId} is older than what is remembered: read the state, then use a new one if it is still wanted`,
      )
    }
    return undefined
  }

  /** Remembers an accepted command, and forgets the oldest above the bound. Part of evolve: the same on every replica. */
  accept(
    actor: string,
    commandId: string,
    hash: string,
    revision: number,
    result: Readonly<Record<string, unknown>>,
  ): void {
    if (commandId === '') return
    this.#accepted.put(keyOf(actor, commandId), { actor, commandId, hash, revision, result })
    if (this.#accepted.size <= this.#entriesMax) return
    const oldest = this.#accepted.values().next().value as Accepted
    const time = Math.max(uuidTime(oldest.commandId) ?? 0, this.#floor.get('floor')?.time ?? 0)
    this.#floor.put('floor', { time })
    this.#accepted.delete(keyOf(oldest.actor, oldest.commandId))
  }
}

/** In the order of the ids' times. */
function keyOf(actor: string, commandId: string): string {
  return `${commandId} ${actor}`
}
