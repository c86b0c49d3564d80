import {
  type handleServerStreamingCall,
  type handleUnaryCall,
  type MethodDefinition,
  Server,
  type ServerWritableStream,
} from '@grpc/grpc-js'
import { HealthImplementation } from 'grpc-health-check'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { WireError } from '../../domains/kernel/wire/codec.ts'
import { type GrpcListener, listenGrpc, type SecureListening } from '../../log/tls/grpc_listener.ts'
import { bearerToken } from '../bearer.ts'
import type { ControlPlane } from '../control_plane.ts'
import type { Api, ApiMethod } from './api.ts'
import type { Call, Fields, StreamHandler, UnaryHandler } from './call.ts'
import { clusterHandlers } from './cluster_handlers.ts'
import type { ClusterMethodName } from './cluster_service.ts'
import { domainHandler, leaderForRead } from './domain_handlers.ts'
import { FORWARDED, type Forwarder } from './forward.ts'
import { REQUEST_BYTES_MAX, RESPONSE_BYTES_MAX } from './limits.ts'
import { addReflection } from './reflection.ts'
import { toStatus } from './status.ts'
import { writeAll } from './stream_writer.ts'

export interface GrpcServerOptions {
  readonly control: ControlPlane
  readonly api: Api
  readonly forwarder: Forwarder
  /** `host:port`; port 0 takes a free one. */
  readonly address: string
  /** Without it, plaintext is served. */
  readonly secure?: SecureListening | undefined
  /** A fault of the service, never a rejection. */
  readonly onFault: (error: unknown, where: string) => void
  /** How long a reader may take none of what is written to it. */
  readonly slowReaderMilliseconds?: number
  /** How often a silent connection is asked whether it lives; it has a third of that to answer. */
  readonly keepaliveMilliseconds?: number
}

export interface GrpcServer {
  readonly port: number
  /** Stops taking calls; ends streams at once, and after the grace everything. */
  close(graceMilliseconds: number): Promise<void>
  /** What health checks are told. */
  setServing(serving: boolean): void
}

type RawMethod = MethodDefinition<Buffer, Buffer>

const IN_FLIGHT_MAX = 1024
const STREAMS_MAX = 4096
const CONCURRENT_STREAMS_MAX = 256
const identity = (bytes: Buffer): Buffer => bytes

/** Serves every method of the interface, with reflection and health. Rejects when the address can not be bound. */
export async function startGrpcServer(options: GrpcServerOptions): Promise<GrpcServer> {
  const keepalive = options.keepaliveMilliseconds ?? 30_000
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_concurrent_streams': CONCURRENT_STREAMS_MAX,
    'grpc.max_receive_message_length': REQUEST_BYTES_MAX,
    'grpc.max_send_message_length': RESPONSE_BYTES_MAX,
    'grpc.keepalive_time_ms': keepalive,
    'grpc.keepalive_timeout_ms': Math.ceil(keepalive / 3),
    'grpc.max_connection_idle_ms': 10 * 60_000,
  })
  const stopping = new AbortController()
  const service = new Served(options, stopping.signal)
  service.addTo(server)
  const health = new HealthImplementation({ '': 'SERVING' })
  for (const name of options.api.serviceNames) health.setStatus(name, 'SERVING')
  health.addToServer(server)
  addReflection(server, options.api.files)
  const colon = options.address.lastIndexOf(':')
  const host = options.address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
  const listener = await listenGrpc(server, host, Number(options.address.slice(colon + 1)), options.secure)
  return {
    port: listener.port,
    setServing: (serving) => {
      for (const name of ['', ...options.api.serviceNames])
        health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING')
    },
    close: async (graceMilliseconds) => {
      stopping.abort()
      await shutdown(server, listener, graceMilliseconds)
    },
  }
}

function shutdown(server: Server, listener: GrpcListener, graceMilliseconds: number): Promise<void> {
  return new Promise((resolve) => {
    listener.drain(graceMilliseconds)
    server.tryShutdown(() => resolve())
  })
}

/** What grpc-js tells of a call of either kind. */
interface RawCall {
  readonly metadata: { get(key: string): readonly (string | Buffer)[] }
  readonly request: Buffer
  getDeadline(): Date | number
}

class Served {
  readonly #options: GrpcServerOptions
  readonly #stopping: AbortSignal
  #inFlight = 0
  #streams = 0

  constructor(options: GrpcServerOptions, stopping: AbortSignal) {
    this.#options = options
    this.#stopping = stopping
  }

  addTo(server: Server): void {
    const cluster = clusterHandlers(this.#options.control, this.#options.forwarder)
    const definitions: Record<string, RawMethod> = {}
    const handlers: Record<
      string,
      handleUnaryCall<Buffer, Buffer> | handleServerStreamingCall<Buffer, Buffer>
    > = {}
    for (const each of this.#options.api.methods) {
      const { path, method } = each
      definitions[path] = definition(path, method.stream)
      if (method.role !== 'cluster') {
        handlers[path] = this.#unary(each, domainHandler(this.#options.control, method))
      } else if (method.name === 'Log' || method.name === 'FollowFeed' || method.name === 'Backup') {
        handlers[path] = this.#stream(each, cluster[method.name])
      } else {
        handlers[path] = this.#unary(each, cluster[method.name])
      }
    }
    server.addService(definitions, handlers)
  }

  #unary(each: ApiMethod, handler: UnaryHandler): handleUnaryCall<Buffer, Buffer> {
    return (raw, callback) => {
      this.#answer(each, handler, raw).then(
        (bytes) => callback(null, bytes),
        (error: unknown) => callback(toStatus(this.#noted(error, each.path))),
      )
    }
  }

  async #answer(each: ApiMethod, handler: UnaryHandler, raw: RawCall): Promise<Buffer> {
    if (this.#inFlight >= IN_FLIGHT_MAX) throw new Rejection('OVERLOADED', 'too many calls are under way')
    this.#inFlight += 1
    try {
      const leader = this.#leaderFor(each, raw)
      if (leader !== undefined) return await this.#forward(each, raw, leader)
      const call = this.#enter(raw)
      const answer = await handler(this.#decode(each, raw.request), call)
      const bytes = this.#options.api.codec.encode(each.types.response, answer)
      if (bytes.length > RESPONSE_BYTES_MAX)
        throw new Rejection('TOO_LARGE', `the answer has ${bytes.length} bytes: ask for a smaller page`)
      return bytes
    } finally {
      this.#inFlight -= 1
    }
  }

  #stream(each: ApiMethod, handler: StreamHandler): handleServerStreamingCall<Buffer, Buffer> {
    return (stream) => {
      this.#pour(each, handler, stream).then(
        () => stream.end(),
        (error: unknown) => stream.emit('error', toStatus(this.#noted(error, each.path))),
      )
    }
  }

  /** Every message takes a token that still holds: a stream may outlive it. */
  async #pour(
    each: ApiMethod,
    handler: StreamHandler,
    stream: ServerWritableStream<Buffer, Buffer>,
  ): Promise<void> {
    if (this.#streams >= STREAMS_MAX) throw new Rejection('OVERLOADED', 'too many streams are open')
    this.#streams += 1
    try {
      const cancelled = new AbortController()
      stream.on('cancelled', () => cancelled.abort())
      const signal = AbortSignal.any([cancelled.signal, this.#stopping])
      const call = this.#enter(stream)
      const answers = handler(this.#decode(each, stream.request), { ...call, signal })
      const token = tokenOf(stream)
      const encode = (answer: Fields): Buffer => {
        this.#options.control.authenticate(token)
        return this.#options.api.codec.encode(each.types.response, answer)
      }
      await writeAll(stream, answers, encode, signal, this.#options.slowReaderMilliseconds ?? 30_000)
      if (this.#stopping.aborted) throw new Rejection('UNAVAILABLE', 'this member is stopping')
    } finally {
      this.#streams -= 1
    }
  }

  /** The leader authenticates the caller: it may know a token that has not come here yet. */
  async #forward(each: ApiMethod, raw: RawCall, leader: string): Promise<Buffer> {
    if (isForwarded(raw))
      throw new Rejection('NOT_LEADER', 'this member was taken for the leader, and is not')
    const token = tokenOf(raw)
    const { forwarder } = this.#options
    const unanswered = isRead(each) ? 'UNAVAILABLE' : 'OUTCOME_UNKNOWN'
    return await forwarder.call(leader, each.path, raw.request, token, remaining(raw), unanswered)
  }

  #enter(raw: RawCall): Call {
    const token = tokenOf(raw)
    const actor = this.#options.control.authenticate(token)
    return { actor, token, forwarded: isForwarded(raw), remainingMilliseconds: remaining(raw) }
  }

  /** Where a call must go on to; undefined when it is answered here. */
  #leaderFor(each: ApiMethod, raw: RawCall): string | undefined {
    const { method } = each
    const { control } = this.#options
    if (method.role === 'cluster' && !leaderOnly.has(method.name)) return undefined
    const leader = control.leaderAddress()
    if (leader === undefined || method.role === 'command' || method.role === 'cluster') return leader
    return leaderForRead(control, method, this.#decode(each, raw.request))
  }

  #decode({ types }: ApiMethod, bytes: Buffer): Fields {
    try {
      return this.#options.api.codec.decode(types.request, bytes, true)
    } catch (error) {
      if (error instanceof WireError) throw new Rejection('INVALID_ARGUMENT', error.message)
      throw error
    }
  }

  #noted(error: unknown, where: string): unknown {
    if (!(error instanceof Rejection)) this.#options.onFault(error, where)
    return error
  }
}

/** What only the leader has heard, and what must show all that was committed before the call. */
const leaderOnly: ReadonlySet<ClusterMethodName> = new Set(['Heartbeat', 'Committed', 'Why', 'Diff'])

function isRead({ method }: ApiMethod): boolean {
  return method.role === 'cluster' ? method.name !== 'Heartbeat' : method.role !== 'command'
}

function isForwarded({ metadata }: Pick<RawCall, 'metadata'>): boolean {
  return metadata.get(FORWARDED).length > 0
}

/** Milliseconds left; undefined when the client set no deadline. */
function remaining(raw: RawCall): number | undefined {
  const deadline = Number(raw.getDeadline())
  return Number.isFinite(deadline) ? Math.max(0, deadline - Date.now()) : undefined
}

function tokenOf({ metadata }: Pick<RawCall, 'metadata'>): string | undefined {
  return bearerToken(metadata.get('authorization')[0])
}

function definition(path: string, responseStream: boolean): RawMethod {
  return {
    path,
    requestStream: false,
    responseStream,
    requestSerialize: identity,
    requestDeserialize: identity,
    responseSerialize: identity,
    responseDeserialize: identity,
  }
}
