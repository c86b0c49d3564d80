/** What protobuf knows of a contract: plain data, from which text, descriptors and the codec are made. */

export type Scalar = 'string' | 'int32' | 'int64' | 'double' | 'bool' | 'bytes'

export interface ProtoField {
  /** As in the contract and in JSON: camelCase. */
  readonly key: string
  /** As on the wire: lower_snake_case. */
  readonly name: string
  readonly number: number
  readonly kind: 'scalar' | 'enum' | 'message'
  /** A scalar's name, or the full name of an enum or a message. */
  readonly type: string
  readonly shape: 'single' | 'repeated' | 'map'
  /** What the contract gets for a single field that the bytes lack: the type's zero, null, or nothing. */
  readonly absent: 'zero' | 'null' | 'nothing'
  /** A message around the value, because absent and empty (or null) both have a meaning: the value is its field 1. */
  readonly boxed: boolean
  readonly doc: string
}

export interface ProtoEnum {
  readonly name: string
  readonly fullName: string
  /** What every value's name begins with. */
  readonly prefix: string
  /** By number less one: the contract's value and its name on the wire. */
  readonly values: readonly { readonly value: string; readonly name: string }[]
}

export interface ProtoMessage {
  readonly name: string
  readonly fullName: string
  readonly doc: string
  readonly fields: readonly ProtoField[]
  readonly enums: readonly ProtoEnum[]
  readonly messages: readonly ProtoMessage[]
}

export interface ProtoMethod {
  readonly name: string
  readonly doc: string
  /** Full names. */
  readonly request: string
  readonly response: string
  readonly stream: boolean
}

export interface ProtoService {
  readonly name: string
  readonly doc: string
  readonly methods: readonly ProtoMethod[]
}

export interface ProtoFile {
  /** `ultracloud/dns/v1/dns.proto`. */
  readonly path: string
  readonly package: string
  readonly imports: readonly string[]
  readonly messages: readonly ProtoMessage[]
  readonly services: readonly ProtoService[]
}
