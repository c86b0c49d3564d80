import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { bootstrap } from '../../main/bootstrap.ts'
import { type MemberNode, startMember } from '../../main/node.ts'

/** A real member in this process, on free ports and in a directory of its own, with its administrator. */
export class TestCloud {
  readonly api: Api
  readonly node: MemberNode
  readonly adminToken: string
  readonly #directory: string
  readonly #clients = new Map<string, ApiClient>()
  readonly #faults: string[]

  static async start(): Promise<TestCloud> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-access-'))
    try {
      const free = '127.0.0.1:0'
      const registry = await loadDomains()
      const faults: string[] = []
      const node = await startMember({
        directory,
        config: { listen: { grpc: free, rest: free, peer: free, etcd: free } },
        registry,
        onFatal: (error) => faults.push(error.message),
        warn: (message) => faults.push(message),
      })
      const tokenFile = join(directory, 'admin.token')
      await bootstrap(node, tokenFile)
      const token = (await readFile(tokenFile, 'utf8')).trim()
      return new TestCloud(new Api(registry), node, token, directory, faults)
    } catch (error) {
      await rm(directory, { recursive: true, force: true })
      throw error
    }
  }

  private constructor(api: Api, node: MemberNode, adminToken: string, directory: string, faults: string[]) {
    this.api = api
    this.node = node
    this.adminToken = adminToken
    this.#directory = directory
    this.#faults = faults
  }

  /** What the member has said of faults of its own: nothing that a client does may cause one. */
  get faults(): readonly string[] {
    return this.#faults
  }

  /** A client with a token; without one it sends none. */
  client(token: string | undefined): ApiClient {
    const key = token ?? ''
    const found = this.#clients.get(key)
    if (found !== undefined) return found
    const client = new ApiClient(this.api, this.node.grpcAddress, token)
    this.#clients.set(key, client)
    return client
  }

  get admin(): ApiClient {
    return this.client(this.adminToken)
  }

  /** Runs a command as the administrator, or with another token. */
  async run(type: string, data: object, token = this.adminToken): Promise<Record<string, unknown>> {
    const { result } = await this.client(token).command({ type, data, commandId: newCommandId() })
    return { ...result }
  }

  /** A request over HTTP, with the token. */
  async rest(token: string | undefined, path: string, body?: object): Promise<RestAnswer> {
    const response = await fetch(`http://${this.node.restAddress}${path}`, {
      method: body === undefined ? 'GET' : 'POST',
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    })
    return { status: response.status, body: (await response.json()) as Record<string, unknown> }
  }

  async close(): Promise<void> {
    for (const client of this.#clients.values()) client.close()
    await this.node.close()
    await rm(this.#directory, { recursive: true, force: true })
  }
}

export interface RestAnswer {
  readonly status: number
  readonly body: Readonly<Record<string, unknown>>
}
