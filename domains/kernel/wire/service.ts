import type { Message } from '../contract.ts'

/** One remote procedure: its messages are contracts, too. */
export interface Method {
  readonly name: string
  readonly doc: string
  readonly request: Message
  readonly response: Message
  /** The server answers with a stream. */
  readonly stream: boolean
}

/** A protobuf package with one service, before it is derived. */
export interface Service {
  /** `ultracloud.dns.v1`. */
  readonly package: string
  /** `DnsService`. */
  readonly name: string
  readonly doc: string
  /** Messages with a name of their own in this package, by that name. */
  readonly messages: ReadonlyMap<string, { readonly message: Message; readonly doc: string }>
  readonly methods: readonly Method[]
}

/** How grpc names a method: `/ultracloud.dns.v1.DnsService/CreateZone`. */
export function methodPath(service: Service, method: Method): string {
  return `/${service.package}.${service.name}/${method.name}`
}
