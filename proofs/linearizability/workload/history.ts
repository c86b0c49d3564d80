import type { KvInput, KvOperation, KvOutput } from '../checker/operations.ts'
import { isWrite } from '../checker/operations.ts'
import type { Look } from './generate.ts'
import type { Found } from './wire.ts'

/** A read of one member's state, or of the past, that was answered. */
export interface LookDone extends Look {
  readonly client: number
  readonly call: number
  readonly end: number
  readonly answer: Found
}

/** What clients did and were told. */
export class History {
  readonly looks: LookDone[] = []
  readonly #operations: KvOperation[] = []
  /** Answers that no client of etcd expects. */
  readonly surprises: string[] = []
  #nextId = 0
  ok = 0
  unknown = 0
  failed = 0

  done(client: number, call: number, input: KvInput, output: KvOutput): void {
    this.ok += 1
    this.#operations.push({ id: this.#nextId++, client, call, end: performance.now(), input, output })
  }

  /** It may have happened, or happen yet: reads that were not answered tell nothing. */
  open(client: number, call: number, input: KvInput): void {
    this.unknown += 1
    if (!isWrite(input)) return
    this.#operations.push({
      id: this.#nextId++,
      client,
      call,
      end: Number.POSITIVE_INFINITY,
      input,
      output: undefined,
    })
  }

  /** What clients did, and what the store may have done by itself: a lease can expire once nobody has kept it alive for its time. */
  get operations(): readonly KvOperation[] {
    return [...this.#operations, ...this.#expiries()]
  }

  #expiries(): readonly KvOperation[] {
    const leases = new Map<string, { ttl: number; since: number }>()
    for (const { input, call, output } of this.#operations) {
      if (input.kind === 'grant' && output?.kind !== 'refused')
        leases.set(input.lease, { ttl: 1000 * input.ttlSeconds, since: call })
    }
    for (const { input, call, output } of this.#operations) {
      if (input.kind !== 'keepalive' || output?.kind !== 'kept' || !output.alive) continue
      const lease = leases.get(input.lease)
      if (lease !== undefined) lease.since = Math.max(lease.since, call)
    }
    return [...leases].map(([lease, { ttl, since }], index) => ({
      id: this.#nextId + index,
      client: -1,
      call: since + ttl,
      end: Number.POSITIVE_INFINITY,
      input: { kind: 'expire', lease },
      output: undefined,
    }))
  }
}
