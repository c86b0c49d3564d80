import type { Registry } from '../../domains/kernel/registry.ts'
import { Codec } from '../../domains/kernel/wire/codec.ts'
import { deriveWire, type MethodTypes } from '../../domains/kernel/wire/derive_files.ts'
import { type DomainMethod, domainService } from '../../domains/kernel/wire/domain_service.ts'
import type { ProtoFile } from '../../domains/kernel/wire/proto.ts'
import { methodPath } from '../../domains/kernel/wire/service.ts'
import { type ClusterMethod, clusterMethods, clusterService } from './cluster_service.ts'

/** A method as it is served and called. */
export interface ApiMethod<M extends DomainMethod | ClusterMethod = DomainMethod | ClusterMethod> {
  /** `/ultracloud.dns.v1.DnsService/CreateZone`. */
  readonly path: string
  readonly types: MethodTypes
  readonly method: M
}

export type CommandApiMethod = ApiMethod<Extract<DomainMethod, { role: 'command' }>>

export type ReadApiMethod = ApiMethod<Extract<DomainMethod, { role: 'get' | 'list' }>>

function isRead(each: ApiMethod): each is ReadApiMethod {
  return each.method.role === 'get' || each.method.role === 'list'
}

function isCommand(each: ApiMethod): each is CommandApiMethod {
  return each.method.role === 'command'
}

/** The whole gRPC interface, derived from the contracts. */
export class Api {
  readonly files: readonly ProtoFile[]
  readonly codec: Codec
  readonly serviceNames: readonly string[]
  readonly methods: readonly ApiMethod[]
  readonly #byPath: ReadonlyMap<string, ApiMethod>
  readonly #byCommand: ReadonlyMap<string, CommandApiMethod>

  /** Throws TypeError, naming the field, when a contract has no form on the wire. */
  constructor(registry: Registry) {
    const services = [...registry.domains.values()].map(({ contract }) => domainService(contract))
    const wire = deriveWire([...services, clusterService])
    const typesOf = (path: string): MethodTypes => wire.methods.get(path) as MethodTypes
    this.files = wire.files
    this.codec = new Codec(wire.files)
    this.serviceNames = [...services, clusterService].map((service) => `${service.package}.${service.name}`)
    this.methods = [
      ...services.flatMap((service) => service.methods.map((method) => ({ service, method }))),
      ...clusterMethods.map((method) => ({ service: clusterService, method })),
    ].map(({ service, method }) => {
      const path = methodPath(service, method)
      return { path, types: typesOf(path), method }
    })
    this.#byPath = new Map(this.methods.map((each) => [each.path, each]))
    this.#byCommand = new Map(
      this.methods.flatMap((each) => (isCommand(each) ? [[each.method.command, each] as const] : [])),
    )
  }

  /** A method by its path, or by its service and name (`DnsService/CreateZone`). Throws RangeError when there is none. */
  method(name: string): ApiMethod {
    const found = this.#byPath.get(name) ?? this.methods.find(({ path }) => path.endsWith(`.${name}`))
    if (found === undefined) throw new RangeError(`there is no method ${name}`)
    return found
  }

  /** The method of `domain.Command`; undefined when there is none. */
  command(type: string): CommandApiMethod | undefined {
    return this.#byCommand.get(type)
  }

  /** The method that reads a kind (`domain.resource`); undefined when there is none. */
  readMethod(kind: string, role: 'get' | 'list'): ReadApiMethod | undefined {
    return this.methods.find(
      (each): each is ReadApiMethod => isRead(each) && each.method.role === role && each.method.kind === kind,
    )
  }
}
