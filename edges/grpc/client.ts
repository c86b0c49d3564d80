import {
  type ChannelCredentials,
  Client,
  type ClientReadableStream,
  credentials,
  Metadata,
  type ServiceError,
} from '@grpc/grpc-js'
import type { Of } from '../../domains/kernel/contract.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { Beat, CommandReply, CommandRequest, ReadReply, ReadRequest } from '../control_plane.ts'
import type { Api } from './api.ts'
import type { Fields } from './call.ts'
import type { FollowFeedRequest, FollowFeedResponse } from './cluster_service.ts'
import { commandFields, commandReply } from './command_fields.ts'
import { channelOptions } from './limits.ts'
import { readFields, readReply } from './read_fields.ts'
import { fromServiceError } from './status.ts'

const CALL_TIMEOUT_MS = 30_000
/** A deadline leaves the server time to say itself that it took too long. */
const DEADLINE_SLACK_MS = 1_000

const identity = (bytes: Buffer): Buffer => bytes

export interface CallOptions {
  readonly timeoutMilliseconds?: number | undefined
  readonly signal?: AbortSignal | undefined
}

/** Calls the methods of the interface by name, with plain data: nothing is generated. Every failure is a Rejection. */
export class ApiClient {
  readonly #api: Api
  readonly #client: Client
  readonly #metadata = new Metadata()

  /** `address` is `host:port`, or several as gRPC names them: `ipv4:10.0.0.1:7420,10.0.0.2:7420`; without credentials, in plaintext. */
  constructor(
    api: Api,
    address: string,
    token: string | undefined,
    secured: ChannelCredentials = credentials.createInsecure(),
  ) {
    this.#api = api
    this.#client = new Client(address, secured, channelOptions)
    if (token !== undefined) this.#metadata.set('authorization', `Bearer ${token}`)
  }

  /** Calls a unary method by path or by `DnsService/CreateZone`. Throws RangeError when there is none. */
  async call(method: string, request: Fields, options: CallOptions = {}): Promise<Record<string, unknown>> {
    const { path, types } = this.#api.method(method)
    const bytes = this.#api.codec.encode(types.request, request)
    const deadline = Date.now() + (options.timeoutMilliseconds ?? CALL_TIMEOUT_MS)
    const answer = await this.#unary(path, bytes, deadline, options.signal)
    return this.#api.codec.decode(types.response, answer, false)
  }

  #unary(path: string, request: Buffer, deadline: number, signal: AbortSignal | undefined): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      const onAnswer = (error: ServiceError | null, answer?: Buffer): void => {
        signal?.removeEventListener('abort', cancel)
        if (error === null) resolve(answer ?? Buffer.alloc(0))
        else reject(fromServiceError(error))
      }
      const call = this.#client.makeUnaryRequest(
        path,
        identity,
        identity,
        request,
        this.#metadata,
        { deadline },
        onAnswer,
      )
      const cancel = (): void => call.cancel()
      signal?.addEventListener('abort', cancel, { once: true })
      if (signal?.aborted === true) cancel()
    })
  }

  /** Reads a streaming method until it ends or the signal aborts; what is not taken yet holds the server back. */
  async *stream(
    method: string,
    request: Fields,
    signal: AbortSignal,
  ): AsyncIterable<Record<string, unknown>> {
    const { path, types } = this.#api.method(method)
    const bytes = this.#api.codec.encode(types.request, request)
    if (signal.aborted) return
    const call: ClientReadableStream<Buffer> = this.#client.makeServerStreamRequest(
      path,
      identity,
      identity,
      bytes,
      this.#metadata,
    )
    const cancel = (): void => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    try {
      for await (const answer of call) yield this.#api.codec.decode(types.response, answer as Buffer, false)
    } catch (error) {
      if (signal.aborted) return
      throw isServiceError(error) ? fromServiceError(error) : error
    } finally {
      signal.removeEventListener('abort', cancel)
      call.cancel()
    }
  }

  /** Runs a command. OUTCOME_UNKNOWN and UNAVAILABLE may be retried safely with the same command id. */
  async command(request: Omit<CommandRequest, 'actor' | 'cause'>): Promise<CommandReply> {
    const method = this.#api.command(request.type)
    if (method === undefined) throw new Rejection('UNKNOWN_COMMAND', `there is no command ${request.type}`)
    const timeoutMilliseconds = (request.timeoutMilliseconds ?? CALL_TIMEOUT_MS) + DEADLINE_SLACK_MS
    return commandReply(await this.call(method.path, commandFields(request), { timeoutMilliseconds }))
  }

  /** Reads rows of a kind: one when a name or uid is given, else a page. */
  async read(request: ReadRequest, options: CallOptions = {}): Promise<ReadReply> {
    const single = request.name !== undefined || request.uid !== undefined
    const method = this.#api.readMethod(request.kind, single ? 'get' : 'list')
    if (method === undefined) throw new Rejection('NOT_FOUND', `there is no kind ${request.kind}`)
    const answer = await this.call(method.path, readFields(request), options)
    return readReply(answer, method.method.field)
  }

  /** One opening of a feed: see `followFeed` for one that resumes. */
  feedMessages(
    request: Of<typeof FollowFeedRequest>,
    signal: AbortSignal,
  ): AsyncIterable<Of<typeof FollowFeedResponse>> {
    return this.stream('ClusterService/FollowFeed', request, signal) as AsyncIterable<
      Of<typeof FollowFeedResponse>
    >
  }

  async heartbeat(beat: Beat, options: CallOptions = {}): Promise<void> {
    await this.call('ClusterService/Heartbeat', { ...beat }, options)
  }

  close(): void {
    this.#client.close()
  }
}

function isServiceError(error: unknown): error is ServiceError {
  return error instanceof Error && 'code' in error && 'metadata' in error
}
