import { type Client, type ServerWritableStream, type ServiceError, status } from '@grpc/grpc-js'
import type { MemberId } from '../raft/types.ts'
import type { BlockPart } from '../storage/block.ts'
import { SegmentDamaged } from '../storage/errors.ts'
import { callMetadata, checkCall, type PeerIdentity, type Refusal } from './authentication.ts'
import { type BlockRequest, peerService } from './messages.ts'

/** How long one block may take to come. */
const fetchMillisecondsMax = 60_000

export type BlockCall = ServerWritableStream<BlockRequest, BlockPart>

/** Gives sealed blocks to members whose own are damaged: one at a time to each, as fast as it takes them. */
export class BlockServer {
  readonly #identity: PeerIdentity
  readonly #read: (firstIndex: number) => AsyncIterable<BlockPart>
  readonly #serving = new Set<MemberId>()

  constructor(identity: PeerIdentity, read: (firstIndex: number) => AsyncIterable<BlockPart>) {
    this.#identity = identity
    this.#read = read
  }

  serve(call: BlockCall): void {
    const from = checkCall(this.#identity, call.metadata, call.getAuthContext())
    const refusal = typeof from === 'number' ? this.#refusal(from, call.request) : from
    if (typeof from !== 'number' || refusal !== undefined) {
      call.emit('error', refusal)
      return
    }
    this.#serving.add(from)
    this.#send(call)
      .then(
        () => call.end(),
        (error: unknown) => call.emit('error', refusalOf(error)),
      )
      .finally(() => this.#serving.delete(from))
  }

  #refusal(from: MemberId, request: BlockRequest): Refusal | undefined {
    if (request.from !== from || request.to !== this.#identity.memberId)
      return { code: status.INVALID_ARGUMENT, details: `a request of another member than ${from}` }
    return this.#serving.has(from)
      ? { code: status.RESOURCE_EXHAUSTED, details: 'another block is on its way to this member' }
      : undefined
  }

  async #send(call: BlockCall): Promise<void> {
    const gone = new Promise<void>((resolve) => {
      call.once('cancelled', resolve)
      call.once('close', resolve)
    })
    for await (const part of this.#read(call.request.firstIndex)) {
      if (call.cancelled) return
      if (!call.write(part))
        await Promise.race([new Promise<void>((resolve) => call.once('drain', resolve)), gone])
    }
  }
}

function refusalOf(error: unknown): Refusal {
  const details = error instanceof Error ? error.message : String(error)
  if (error instanceof SegmentDamaged) return { code: status.DATA_LOSS, details }
  return { code: error instanceof RangeError ? status.NOT_FOUND : status.UNAVAILABLE, details }
}

/** Asks a peer for a block. Throws, also within the iteration, what it refuses with, or that it went away or took too long. */
export async function* fetchBlock(
  client: Client,
  identity: PeerIdentity,
  peer: MemberId,
  firstIndex: number,
  signal: AbortSignal,
): AsyncGenerator<BlockPart> {
  const { path, requestSerialize, responseDeserialize } = peerService.fetchBlock
  const call = client.makeServerStreamRequest(
    path,
    requestSerialize,
    responseDeserialize,
    { from: identity.memberId, to: peer, firstIndex },
    callMetadata(identity, peer),
    { deadline: Date.now() + fetchMillisecondsMax },
  )
  const cancel = (): void => call.cancel()
  signal.addEventListener('abort', cancel, { once: true })
  try {
    for await (const part of call) yield part as BlockPart
  } catch (error) {
    const { code, details } = error as ServiceError
    throw new Error(`${status[code] ?? 'UNKNOWN'}: ${details}`, { cause: error })
  } finally {
    signal.removeEventListener('abort', cancel)
    call.on('error', () => undefined)
    call.cancel()
  }
}
