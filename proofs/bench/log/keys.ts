import { frame } from '../../../edges/etcd/frames.ts'
import { encode } from '../../../edges/etcd/messages.ts'
import { type Answer, ended, RawClient } from '../../../edges/etcd/testing/client.ts'
import { until } from '../../failover/until.ts'

/** Of every value. */
export const VALUE_BYTES = 256

const PREFIX = 'bench/'
const SETTLE_TIMEOUT_MS = 10_000

export function keyOf(index: number): Buffer {
  return Buffer.from(`${PREFIX}${String(index).padStart(8, '0')}`)
}

/** Every key of a benchmark is in it. */
export const keyRange = { key: Buffer.from(PREFIX), rangeEnd: Buffer.from('bench0') }

export function putMessage(index: number): Uint8Array {
  return encode('PutRequest', { key: keyOf(index), value: Buffer.alloc(VALUE_BYTES, 'v') })
}

export function rangeMessage(index: number, serializable: boolean): Uint8Array {
  return encode('RangeRequest', { key: keyOf(index), serializable })
}

export function putMessages(keys: number): readonly Uint8Array[] {
  return Array.from({ length: keys }, (_, index) => putMessage(index))
}

/** Throws Error when it is refused. */
export async function put(client: RawClient, index: number): Promise<void> {
  const fields = { key: keyOf(index), value: Buffer.alloc(VALUE_BYTES, 'v') }
  needed(await client.call('KV/Put', 'PutRequest', 'PutResponse', fields))
}

/** The store's revision by a linearizable read, once it stands still: nothing that was sent is under way. */
export async function settledRevision(address: string): Promise<number> {
  using client = new RawClient(address)
  let last = -1
  return await until(`a revision of ${address} that stands still`, SETTLE_TIMEOUT_MS, async () => {
    const seen = last
    last = await revision(client)
    return seen === last ? last : undefined
  })
}

async function revision(client: RawClient): Promise<number> {
  const fields = { key: keyOf(0), countOnly: true }
  const { header } = needed(await client.call('KV/Range', 'RangeRequest', 'RangeResponse', fields))
  return Number((header as { readonly revision: { toString(): string } }).revision)
}

/** The bytes of the answer to a read, framed. */
export async function answerBytes(address: string, message: Uint8Array): Promise<number> {
  using client = new RawClient(address)
  const stream = client.open('KV/Range')
  let bytes = 0
  stream.on('data', (chunk: Buffer) => {
    bytes += chunk.length
  })
  stream.end(frame(message))
  const { code, text } = await ended(stream)
  if (code !== 0) throw new Error(`${address} refused a read: ${text}`)
  return bytes
}

function needed(answer: Answer): Record<string, unknown> {
  if (!answer.ok) throw new Error(`it was refused with ${answer.code}: ${answer.text}`)
  return answer.message
}
