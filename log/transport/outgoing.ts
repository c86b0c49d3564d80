import {
  type ChannelCredentials,
  Client,
  type ClientDuplexStream,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import type {
  AppendRequest,
  AppendResponse,
  MemberId,
  Message,
  ProbeRequest,
  VoteRequest,
} from '../raft/types.ts'
import type { BlockPart } from '../storage/block.ts'
import { callMetadata, type PeerIdentity } from './authentication.ts'
import { fetchBlock } from './blocks.ts'
import { channelOptions, pendingCallsMax } from './limits.ts'
import { peerService } from './messages.ts'
import type { Method } from './schema.ts'
import { SendQueue } from './send-queue.ts'

const backoffMillisecondsMin = 50
const backoffMillisecondsMax = 500

interface OutgoingPorts {
  readonly deliver: (message: Message) => void
  /** The connection to the peer broke or was refused; said once for each change. */
  readonly warn: (message: string) => void
}

/** Calls one peer: votes as unary calls, appends on one stream that is opened again, with backoff, when it breaks. */
export class Outgoing {
  readonly #identity: PeerIdentity
  readonly #peer: MemberId
  readonly #address: string
  readonly #voteMilliseconds: number
  readonly #ports: OutgoingPorts
  readonly #client: Client
  #stream: ClientDuplexStream<AppendRequest, AppendResponse> | undefined
  #queue: SendQueue<AppendRequest> | undefined
  #pendingVotes = 0
  #pendingProbes = 0
  #backoffMilliseconds = backoffMillisecondsMin
  #retryAt = 0
  #problem = ''
  #closed = false

  constructor(
    identity: PeerIdentity,
    peer: MemberId,
    address: string,
    credentials: ChannelCredentials,
    voteMilliseconds: number,
    ports: OutgoingPorts,
  ) {
    this.#identity = identity
    this.#peer = peer
    this.#address = address
    this.#voteMilliseconds = voteMilliseconds
    this.#ports = ports
    this.#client = new Client(address, credentials, channelOptions)
  }

  append(message: AppendRequest): void {
    if (this.#closed) return
    if (this.#queue === undefined && performance.now() < this.#retryAt) return
    this.#queue ??= this.#open()
    this.#queue.send(message)
  }

  vote(message: VoteRequest): void {
    if (this.#closed || this.#pendingVotes >= pendingCallsMax) return
    this.#pendingVotes += 1
    this.#call(peerService.vote, message, () => {
      this.#pendingVotes -= 1
    })
  }

  probe(message: ProbeRequest): void {
    if (this.#closed || this.#pendingProbes >= pendingCallsMax) return
    this.#pendingProbes += 1
    this.#call(peerService.probe, message, () => {
      this.#pendingProbes -= 1
    })
  }

  /** Throws, also within the iteration, why the peer does not give it. */
  block(firstIndex: number, signal: AbortSignal): AsyncIterable<BlockPart> {
    return fetchBlock(this.#client, this.#identity, this.#peer, firstIndex, signal)
  }

  close(): void {
    this.#closed = true
    this.#stream?.cancel()
    this.#client.close()
  }

  #call<Request, Response extends Message>(
    { path, requestSerialize, responseDeserialize }: Method<Request, Response>,
    message: Request,
    ended: () => void,
  ): void {
    this.#client.makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      callMetadata(this.#identity, this.#peer),
      { deadline: Date.now() + this.#voteMilliseconds },
      (error, response) => {
        ended()
        if (this.#closed) return
        if (response !== undefined) this.#receive(response)
        else if (error !== null && error.code !== status.DEADLINE_EXCEEDED) this.#warn(error)
      },
    )
  }

  #open(): SendQueue<AppendRequest> {
    const { path, requestSerialize, responseDeserialize } = peerService.appendEntries
    const stream = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      callMetadata(this.#identity, this.#peer),
    )
    stream.on('data', (message: AppendResponse) => {
      this.#backoffMilliseconds = backoffMillisecondsMin
      this.#problem = ''
      if (!this.#closed) this.#receive(message)
    })
    stream.on('error', (error: ServiceError) => this.#broken(stream, error))
    stream.on('end', () => this.#broken(stream, undefined))
    this.#stream = stream
    return new SendQueue(stream)
  }

  #receive(message: Message): void {
    if (message.from === this.#peer && message.to === this.#identity.memberId) this.#ports.deliver(message)
  }

  #broken(stream: ClientDuplexStream<AppendRequest, AppendResponse>, error: ServiceError | undefined): void {
    if (this.#closed || this.#stream !== stream) return
    this.#stream = undefined
    this.#queue = undefined
    stream.cancel()
    this.#retryAt = performance.now() + this.#backoffMilliseconds
    this.#backoffMilliseconds = Math.min(2 * this.#backoffMilliseconds, backoffMillisecondsMax)
    if (error !== undefined) this.#warn(error)
  }

  #warn({ code, details }: ServiceError): void {
    const problem = `${status[code]}: ${details}`
    if (problem === this.#problem) return
    this.#problem = problem
    this.#ports.warn(`member ${this.#peer} at ${this.#address}: ${problem}`)
  }
}
