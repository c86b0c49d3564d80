import { randomBytes } from 'node:crypto'
import { EVERYTHING } from '../../domains/kv/interval.ts'
import { progressOf } from '../../domains/kv/txn.ts'
import { encodedKeys, encodedLeases, listAnswer } from './big_list.ts'
import type { Parts } from './big_range.ts'
import type { CallStream } from './call_stream.ts'
import type { Lessor } from './lessor.ts'
import type { Member } from './member.ts'
import { decode, encode } from './messages.ts'
import type { Router } from './router.ts'
import type { StreamMethod } from './server.ts'
import { etcdError } from './status.ts'
import type { UnaryMethod } from './unary_call.ts'

const SERVICE = '/etcdserverpb.Lease/'
const TTL_SECONDS_MAX = 9_000_000_000
/** Before a lease expires a new leader can be elected: one and a half election timeouts, and 2 s at least. */
const TTL_SECONDS_MIN = 2

interface LeaseParts {
  readonly member: Member
  readonly router: Router
  readonly lessor: Lessor
  readonly electionTimeoutMilliseconds: number
}

export function leaseMethods(parts: LeaseParts): [path: string, method: UnaryMethod][] {
  const { member, router, lessor, electionTimeoutMilliseconds } = parts
  const least = Math.max(TTL_SECONDS_MIN, Math.ceil((1.5 * electionTimeoutMilliseconds) / 1000))
  const led = (
    name: string,
    writes: boolean,
    local: (request: Buffer, response: string) => Promise<Uint8Array | Parts>,
  ): [path: string, method: UnaryMethod] => [
    `${SERVICE}${name}`,
    (request, metadata) =>
      router.lead({
        path: `${SERVICE}${name}`,
        request,
        metadata,
        writes,
        local: () => local(request, `${name}Response`),
      }),
  ]
  return [
    led('LeaseGrant', true, async (request, response) => {
      const { ID, TTL } = decode('LeaseGrantRequest', request)
      const wanted = TTL.toNumber()
      if (wanted > TTL_SECONDS_MAX) throw etcdError('leaseTtlTooLarge')
      const id = ID.toString() === '0' ? newId() : ID.toString()
      const ttl = Math.max(wanted, least)
      const { result } = await member.submit('LeaseGrant', { id, ttl }, [])
      const header = member.header(result['revision'] as number)
      return encode(response, { header, ID: id, TTL: ttl })
    }),
    led('LeaseRevoke', true, async (request, response) => {
      const { ID } = decode('LeaseRevokeRequest', request)
      const { result } = await member.submit('LeaseRevoke', { id: ID.toString() }, [EVERYTHING])
      return encode(response, { header: member.header(result['revision'] as number) })
    }),
    led('LeaseTimeToLive', false, async (request, response) => {
      const { ID, keys } = decode('LeaseTimeToLiveRequest', request)
      const id = ID.toString()
      const found = await member.read(false, keys ? [EVERYTHING] : [], (view) => ({
        revision: progressOf(view).revision,
        lease: view.leases.get(id),
        attached: keys ? [...view.keys.listKeys('lease', id)] : [],
        remaining: lessor.remaining(id),
      }))
      const { revision, lease, attached, remaining } = found
      const header = member.header(revision)
      if (lease === undefined) return encode(response, { header, ID: id, TTL: -1 })
      // One that is being granted has all of its time.
      const TTL = remaining ?? lease.ttlSeconds
      const start = encode(response, { header, ID: id, TTL, grantedTTL: lease.ttlSeconds })
      return listAnswer(start, attached, encodedKeys)
    }),
    led('LeaseLeases', false, async (_, response) => {
      const { revision, ids } = await member.read(false, [], (view) => ({
        revision: progressOf(view).revision,
        ids: Array.from(view.leases.values(), ({ id }) => id),
      }))
      return listAnswer(encode(response, { header: member.header(revision) }), ids, encodedLeases)
    }),
  ]
}

/** Keeps leases alive: an answer for each message. */
export function keepAlive({ member, router, lessor }: LeaseParts): [path: string, method: StreamMethod] {
  const path = `${SERVICE}LeaseKeepAlive`
  const response = 'LeaseKeepAliveResponse'
  const method = async (call: CallStream): Promise<void> => {
    for await (const request of call) {
      const id = decode('LeaseKeepAliveRequest', request).ID.toString()
      const local = async () => {
        for (;;) {
          await lessor.settled(id)
          const { revision } = await member.progress(false)
          const TTL = lessor.renew(id)
          if (TTL !== undefined) return encode(response, { header: member.header(revision), ID: id, TTL })
        }
      }
      const { metadata } = call
      await call.send(await router.lead({ path, request, metadata, writes: false, local }))
    }
  }
  return [path, method]
}

/** A positive number of 63 bits. */
function newId(): string {
  return String((randomBytes(8).readBigUInt64BE() >> 1n) | 1n)
}
