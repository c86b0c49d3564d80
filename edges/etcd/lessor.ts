import { Rejection } from '../../domains/kernel/rejection.ts'
import { EVERYTHING } from '../../domains/kv/interval.ts'
import type { Lease } from '../../domains/kv/state.ts'
import { isLarge } from '../../domains/kv/sweep.ts'
import type { Member } from './member.ts'

const TICK_MS = 500
/** Leases revoked in one tick, at most. */
const REVOKE_MAX = 1000

interface Held {
  readonly ttlSeconds: number
  /** On the monotonic clock, in milliseconds. */
  deadline: number
}

/**
 * How long each lease has yet to live: in the leader's memory, never in the log, so that keeping alive costs no entry. A new leader
 * gives every lease its whole time again, as etcd does. A lease whose time is up is revoked by a command like any other.
 */
export class Lessor {
  readonly #member: Member
  readonly #held = new Map<string, Held>()
  readonly #timer: NodeJS.Timeout
  readonly #unfollow: () => void
  /** Resolves once it is known what became of the revoke. */
  readonly #revoking = new Map<string, Promise<void>>()
  /** How many keys those have that are being revoked. */
  #rows = 0
  #term = 0

  constructor(member: Member) {
    this.#member = member
    this.#unfollow = member.platform.onApplied((writes) => {
      for (const { table, key, after } of writes) {
        if (table.name !== 'kv.leases') continue
        if (after === undefined) this.#held.delete(key)
        else if (this.#term !== 0) this.#hold(after as Lease)
      }
    })
    this.#timer = setInterval(() => this.#tick(), TICK_MS)
  }

  close(): void {
    clearInterval(this.#timer)
    this.#unfollow()
  }

  /** Resolves once no revoke of the lease is in flight: before, nobody can say whether it lives on. */
  async settled(id: string): Promise<void> {
    await this.#revoking.get(id)
  }

  /**
   * Gives a lease its whole time again. Returns that in seconds; 0 when there is no such lease; undefined while it is being revoked.
   * Throws NOT_LEADER where leases are not held.
   */
  renew(id: string): number | undefined {
    if (!this.#lead()) throw new Rejection('NOT_LEADER', 'this member does not lead')
    if (this.#revoking.has(id)) return undefined
    const held = this.#held.get(id)
    if (held === undefined) return 0
    held.deadline = performance.now() + held.ttlSeconds * 1000
    return held.ttlSeconds
  }

  /** Whole seconds that a lease has yet to live; undefined when there is no such lease. */
  remaining(id: string): number | undefined {
    this.#lead()
    const held = this.#held.get(id)
    return held === undefined
      ? undefined
      : Math.max(0, Math.floor((held.deadline - performance.now()) / 1000))
  }

  #hold({ id, ttlSeconds }: Lease): void {
    this.#held.set(id, { ttlSeconds, deadline: performance.now() + ttlSeconds * 1000 })
  }

  /** Begins anew with each term that this member leads. */
  #lead(): boolean {
    const { platform, log } = this.#member
    const term = platform.leading ? log.status().term : 0
    if (term === this.#term) return term !== 0
    this.#term = term
    this.#held.clear()
    if (term !== 0) for (const lease of this.#member.view.leases.values()) this.#hold(lease)
    return term !== 0
  }

  /** Revokes what has expired: so many leases at a time as have not too many keys together. */
  #tick(): void {
    if (!this.#lead() || this.#member.swept.sweeping) return
    const now = performance.now()
    for (const [id, { deadline }] of this.#held) {
      if (this.#revoking.size >= REVOKE_MAX || isLarge(this.#rows)) return
      if (deadline > now || this.#revoking.has(id)) continue
      this.#revoking.set(id, this.#revoke(id))
    }
  }

  /** What fails is tried again by a later tick, here or where leases are held then. */
  async #revoke(id: string): Promise<void> {
    const rows = this.#member.view.keys.count('lease', id)
    this.#rows += rows
    try {
      await this.#member.submit('LeaseRevoke', { id }, [EVERYTHING], `kv.lease/${id} expired`)
    } catch {
      return
    } finally {
      this.#rows -= rows
      this.#revoking.delete(id)
      if (rows > 0) setImmediate(() => this.#tick())
    }
  }
}
