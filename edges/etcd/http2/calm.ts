import { protocolError } from './protocol.ts'

/** What frames may cost that bring no work, at once and for each second. A ping costs 1. */
const BURST = 20_000
const EACH_MS = 20

/**
 * Bounds what a peer can have done for nothing: pings, settings, calls that it opens and resets (CVE-2023-44487), frames that are
 * empty or unknown.
 */
export class Calm {
  #left = BURST
  #since = performance.now()

  /** Throws ProtocolError when there was too much of it. */
  spend(cost: number): void {
    this.#left -= cost
    if (this.#left >= 0) return
    const now = performance.now()
    this.#left = Math.min(BURST, this.#left + (now - this.#since) * EACH_MS)
    this.#since = now
    if (this.#left < 0) throw protocolError('ENHANCE_YOUR_CALM', 'the peer keeps this side busy for nothing')
  }
}
