import { type ChannelCredentials, Client, credentials, Metadata, type ServiceError } from '@grpc/grpc-js'
import { parseRequest } from '../../domains/kernel/parse.ts'
import { type Code, Rejection } from '../../domains/kernel/rejection.ts'
import type {
  ClusterStatus,
  CommandReply,
  CommandRequest,
  DiffReply,
  LogEntryView,
  ReadReply,
  ReadRequest,
} from '../control_plane.ts'
import type { Api } from './api.ts'
import type { Fields } from './call.ts'
import type { ClusterMethodName } from './cluster_service.ts'
import { commandFields, commandReply } from './command_fields.ts'
import { diffOf, entriesOf } from './history_fields.ts'
import { channelOptions } from './limits.ts'
import { readFields, readReply } from './read_fields.ts'
import { fromServiceError } from './status.ts'

/** Marks a call that a member has passed on: it is not passed on again. */
export const FORWARDED = 'ultracloud-forwarded'

const FORWARD_TIMEOUT_MS = 30_000
/** A member says how it is, also while the leader does not answer. */
const STATUS_TIMEOUT_MS = 3000
/** The longest wait that a command may ask for, and time to say that it was not enough. */
const FORWARD_TIMEOUT_MS_MAX = 601_000
const IN_FLIGHT_MAX = 1024

/** Passes what only the leader can do on to it, in one hop. */
export class Forwarder {
  readonly #api: Api
  readonly #secured: ChannelCredentials
  #client: { readonly address: string; readonly client: Client } | undefined
  #inFlight = 0

  /** Without credentials, in plaintext. */
  constructor(api: Api, secured: ChannelCredentials = credentials.createInsecure()) {
    this.#api = api
    this.#secured = secured
  }

  /** A unary call's bytes, as they came. Throws Rejection; `unanswered` is the code when the leader did not answer. */
  async call(
    leader: string,
    path: string,
    request: Buffer,
    token: string | undefined,
    timeoutMilliseconds: number = FORWARD_TIMEOUT_MS,
    unanswered: Code = 'OUTCOME_UNKNOWN',
  ): Promise<Buffer> {
    if (leader === '') throw new Rejection('NOT_LEADER', 'this member does not lead, and knows no leader yet')
    if (this.#inFlight >= IN_FLIGHT_MAX)
      throw new Rejection('OVERLOADED', 'too many calls are being passed on to the leader')
    const metadata = new Metadata()
    if (token !== undefined) metadata.set('authorization', `Bearer ${token}`)
    metadata.set(FORWARDED, '1')
    const deadline = Date.now() + Math.min(timeoutMilliseconds, FORWARD_TIMEOUT_MS_MAX)
    this.#inFlight += 1
    try {
      return await unary(this.#clientTo(leader), path, request, metadata, deadline, unanswered)
    } finally {
      this.#inFlight -= 1
    }
  }

  /** A command that came in another way than over gRPC. */
  async submit(leader: string, request: CommandRequest, token: string | undefined): Promise<CommandReply> {
    const method = this.#api.command(request.type)
    if (method === undefined) throw new Rejection('UNKNOWN_COMMAND', `there is no command ${request.type}`)
    const { types, path } = method
    const data = parseRequest(request.type, method.method.own, request.data)
    const bytes = this.#api.codec.encode(types.request, commandFields({ ...request, data }))
    const answer = await this.call(leader, path, bytes, token, request.timeoutMilliseconds)
    return commandReply(this.#api.codec.decode(types.response, answer, false))
  }

  /** A read that came in another way than over gRPC. */
  async read(leader: string, request: ReadRequest, token: string | undefined): Promise<ReadReply> {
    const single = request.name !== undefined || request.uid !== undefined
    const method = this.#api.readMethod(request.kind, single ? 'get' : 'list')
    if (method === undefined) throw new Rejection('NOT_FOUND', `there is no kind ${request.kind}`)
    const { types, path } = method
    const bytes = this.#api.codec.encode(types.request, readFields(request))
    const answer = await this.call(leader, path, bytes, token, FORWARD_TIMEOUT_MS, 'UNAVAILABLE')
    return readReply(this.#api.codec.decode(types.response, answer, false), method.method.field)
  }

  async committed(leader: string, token: string | undefined): Promise<number> {
    return Number((await this.#ask(leader, 'Committed', {}, token))['revision'])
  }

  async why(
    leader: string,
    { kind, name, project }: { readonly kind: string; readonly name: string; readonly project?: string },
    token: string | undefined,
  ): Promise<readonly LogEntryView[]> {
    return entriesOf(await this.#ask(leader, 'Why', { kind, name, project: project ?? '' }, token))
  }

  async diff(leader: string, from: string, to: string, token: string | undefined): Promise<DiffReply> {
    return diffOf(await this.#ask(leader, 'Diff', { from, to }, token))
  }

  async status(leader: string, token: string | undefined): Promise<ClusterStatus> {
    return (await this.#ask(leader, 'Status', {}, token, STATUS_TIMEOUT_MS)) as unknown as ClusterStatus
  }

  async #ask(
    leader: string,
    method: ClusterMethodName,
    request: Fields,
    token: string | undefined,
    timeoutMilliseconds: number = FORWARD_TIMEOUT_MS,
  ): Promise<Fields> {
    const { types, path } = this.#api.method(`ClusterService/${method}`)
    const bytes = this.#api.codec.encode(types.request, request)
    const answer = await this.call(leader, path, bytes, token, timeoutMilliseconds, 'UNAVAILABLE')
    return this.#api.codec.decode(types.response, answer, false)
  }

  close(): void {
    this.#client?.client.close()
    this.#client = undefined
  }

  #clientTo(address: string): Client {
    if (this.#client?.address === address) return this.#client.client
    this.close()
    const client = new Client(address, this.#secured, channelOptions)
    this.#client = { address, client }
    return client
  }
}

function unary(
  client: Client,
  path: string,
  request: Buffer,
  metadata: Metadata,
  deadline: number,
  unanswered: Code,
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const identity = (bytes: Buffer): Buffer => bytes
    client.makeUnaryRequest(
      path,
      identity,
      identity,
      request,
      metadata,
      { deadline },
      (error: ServiceError | null, answer?: Buffer) => {
        if (error !== null) reject(fromServiceError(error, unanswered))
        else resolve(answer ?? Buffer.alloc(0))
      },
    )
  })
}
