import {
  Server,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  status,
} from '@grpc/grpc-js'
import { LogError } from '../log.ts'
import type {
  AppendRequest,
  AppendResponse,
  MemberId,
  Message,
  ProbeRequest,
  ProbeResponse,
  VoteRequest,
  VoteResponse,
} from '../raft/types.ts'
import { type GrpcListener, listenGrpc, type SecureListening } from '../tls/grpc_listener.ts'
import { checkCall, type PeerIdentity, type Refusal } from './authentication.ts'
import { type BlockCall, BlockServer } from './blocks.ts'
import { channelOptions } from './limits.ts'
import { peerService } from './messages.ts'
import { PendingCalls } from './pending.ts'
import { chainfireHandlers, chainfireService } from './public.ts'
import { SendQueue } from './send-queue.ts'
import type { TransportPorts } from './transport.ts'

/** How long callers may take to hang up. */
const shutdownMillisecondsMax = 250

type AppendCall = ServerDuplexStream<AppendRequest, AppendResponse>

interface AppendStream {
  readonly call: AppendCall
  readonly queue: SendQueue<AppendResponse>
}

/**
 * Serves the peers. The core answers when it can, for instance after a sync, and by message; this is where an
 * answer finds the call that it belongs to.
 */
export class Incoming {
  readonly #identity: PeerIdentity
  readonly #ports: TransportPorts
  readonly #server = new Server(channelOptions)
  readonly #streams = new Map<MemberId, AppendStream>()
  readonly #votes = new PendingCalls<VoteResponse>()
  readonly #probes = new PendingCalls<ProbeResponse>()
  #listener: GrpcListener | undefined
  #closed = false

  constructor(identity: PeerIdentity, ports: TransportPorts) {
    this.#identity = identity
    this.#ports = ports
    const blocks = new BlockServer(identity, ports.block)
    this.#server.addService(peerService, {
      vote: (call: ServerUnaryCall<VoteRequest, VoteResponse>, answer: sendUnaryData<VoteResponse>) =>
        this.#unary(call, answer, (from) => this.#votes.add(from, voteKey(call.request), call, answer)),
      probe: (call: ServerUnaryCall<ProbeRequest, ProbeResponse>, answer: sendUnaryData<ProbeResponse>) =>
        this.#unary(call, answer, (from) => this.#probes.add(from, call.request.nonce, call, answer)),
      appendEntries: (call: AppendCall) => this.#append(call),
      fetchBlock: (call: BlockCall) => blocks.serve(call),
    })
    this.#server.addService(chainfireService, chainfireHandlers(ports.status))
  }

  /** The port that was taken. Throws LogError when it cannot listen. */
  async listen(host: string, port: number, secure: SecureListening | undefined): Promise<number> {
    try {
      this.#listener = await listenGrpc(this.#server, host, port, secure)
      return this.#listener.port
    } catch (error) {
      throw new LogError('CLOSED', `cannot listen on ${host}:${port}: ${(error as Error).message}`)
    }
  }

  respond(message: AppendResponse): void {
    this.#streams.get(message.to)?.queue.send(message)
  }

  answerVote(message: VoteResponse): void {
    this.#votes.answer(message.to, voteKey(message), message)
  }

  answerProbe(message: ProbeResponse): void {
    this.#probes.answer(message.to, message.nonce, message)
  }

  /** Ends every call first: a session that is just destroyed is noticed by the peer's keepalive, seconds later. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    const stopping = { code: status.UNAVAILABLE, details: 'the member is stopping' }
    for (const { call } of this.#streams.values()) call.emit('error', stopping)
    this.#votes.failAll(stopping)
    this.#probes.failAll(stopping)
    const { promise, resolve } = Promise.withResolvers<void>()
    const forced = setTimeout(resolve, shutdownMillisecondsMax)
    this.#listener?.drain(shutdownMillisecondsMax)
    this.#server.tryShutdown(() => resolve())
    await promise
    clearTimeout(forced)
    this.#server.forceShutdown()
  }

  #unary<Request extends Message, Response>(
    call: ServerUnaryCall<Request, Response>,
    answer: sendUnaryData<Response>,
    wait: (from: MemberId) => void,
  ): void {
    const from = checkCall(this.#identity, call.metadata, call.getAuthContext())
    const refusal = typeof from === 'number' ? this.#checkMessage(from, call.request) : from
    if (typeof from !== 'number' || refusal !== undefined) {
      answer(refusal ?? null)
      return
    }
    wait(from)
    this.#deliver(call.request)
  }

  #append(call: AppendCall): void {
    const from = checkCall(this.#identity, call.metadata, call.getAuthContext())
    if (typeof from !== 'number') {
      call.emit('error', from)
      return
    }
    const stream: AppendStream = { call, queue: new SendQueue(call) }
    this.#streams.get(from)?.call.end()
    this.#streams.set(from, stream)
    const forget = (): void => {
      if (this.#streams.get(from) === stream) this.#streams.delete(from)
    }
    call.on('data', (message: AppendRequest) => {
      const refusal = this.#checkMessage(from, message)
      if (refusal === undefined) this.#deliver(message)
      else call.emit('error', refusal)
    })
    call.on('end', () => {
      forget()
      call.end()
    })
    call.on('error', forget)
    call.on('cancelled', forget)
  }

  #checkMessage(from: MemberId, message: Message): Refusal | undefined {
    if (message.from === from && message.to === this.#identity.memberId) return undefined
    const details = `a message of member ${message.from} to member ${message.to} on a call of member ${from}`
    return { code: status.INVALID_ARGUMENT, details }
  }

  #deliver(message: Message): void {
    if (!this.#closed) this.#ports.deliver(message)
  }
}

function voteKey({ preVote }: VoteRequest | VoteResponse): number {
  return preVote ? 1 : 0
}
