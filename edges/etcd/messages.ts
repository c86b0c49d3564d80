import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'
import { StatusError } from './status.ts'

/** A 64-bit integer, as protobufjs reads it. */
export interface Int64 {
  toNumber(): number
  toString(): string
}
/** As it may be written. */
export type Integer = number | string | Int64

export interface Header {
  readonly clusterId: Integer
  readonly memberId: Integer
  readonly revision: Integer
  readonly raftTerm: Integer
}

export interface WireKeyValue {
  readonly key: Buffer
  readonly value?: Buffer
  readonly createRevision?: Integer
  readonly modRevision: Integer
  readonly version?: Integer
  readonly lease?: Integer
}

/** What requests hold. */
export interface RequestFields {
  RangeRequest: {
    readonly key: Buffer
    readonly rangeEnd: Buffer
    readonly limit: Int64
    readonly revision: Int64
    readonly sortOrder: number
    readonly sortTarget: number
    readonly serializable: boolean
    readonly keysOnly: boolean
    readonly countOnly: boolean
    readonly minModRevision: Int64
    readonly maxModRevision: Int64
    readonly minCreateRevision: Int64
    readonly maxCreateRevision: Int64
  }
  PutRequest: {
    readonly key: Buffer
    readonly value: Buffer
    readonly lease: Int64
    readonly prevKv: boolean
    readonly ignoreValue: boolean
    readonly ignoreLease: boolean
  }
  DeleteRangeRequest: { readonly key: Buffer; readonly rangeEnd: Buffer; readonly prevKv: boolean }
  Compare: {
    readonly result: number
    readonly target: number
    readonly key: Buffer
    readonly rangeEnd: Buffer
    /** Which of the oneof is there is told by the own properties. */
    readonly version: Int64
    readonly createRevision: Int64
    readonly modRevision: Int64
    readonly value: Buffer
    readonly lease: Int64
  }
  RequestOp: {
    readonly requestRange?: RequestFields['RangeRequest'] | null
    readonly requestPut?: RequestFields['PutRequest'] | null
    readonly requestDeleteRange?: RequestFields['DeleteRangeRequest'] | null
    readonly requestTxn?: RequestFields['TxnRequest'] | null
  }
  TxnRequest: {
    readonly compare: readonly RequestFields['Compare'][]
    readonly success: readonly RequestFields['RequestOp'][]
    readonly failure: readonly RequestFields['RequestOp'][]
  }
  CompactionRequest: { readonly revision: Int64; readonly physical: boolean }
  WatchCreateRequest: {
    readonly key: Buffer
    readonly rangeEnd: Buffer
    readonly startRevision: Int64
    readonly progressNotify: boolean
    readonly filters: readonly number[]
    readonly prevKv: boolean
    readonly watchId: Int64
    readonly fragment: boolean
  }
  WatchRequest: {
    readonly createRequest?: RequestFields['WatchCreateRequest'] | null
    readonly cancelRequest?: { readonly watchId: Int64 } | null
    readonly progressRequest?: object | null
  }
  LeaseGrantRequest: { readonly TTL: Int64; readonly ID: Int64 }
  LeaseRevokeRequest: { readonly ID: Int64 }
  LeaseKeepAliveRequest: { readonly ID: Int64 }
  LeaseTimeToLiveRequest: { readonly ID: Int64; readonly keys: boolean }
  AlarmRequest: { readonly action: number; readonly memberID: Int64; readonly alarm: number }
  HashKVRequest: { readonly revision: Int64 }
  Empty: object
}

const root = protobuf.parse(readFileSync(new URL('./etcd.proto', import.meta.url), 'utf8')).root
const types = new Map<string, protobuf.Type>()

function typeOf(name: string): protobuf.Type {
  let type = types.get(name)
  if (type === undefined) {
    type = root.lookupType(`etcd.${name}`)
    types.set(name, type)
  }
  return type
}

/** Reads a message. Throws StatusError for bytes that are none. */
export function decode<N extends keyof RequestFields>(name: N, bytes: Uint8Array): RequestFields[N] {
  try {
    return typeOf(name).decode(bytes) as unknown as RequestFields[N]
  } catch (error) {
    throw new StatusError('INTERNAL', `grpc: error unmarshalling request: ${(error as Error).message}`)
  }
}

/** Reads any message of the protocol, for clients and tests. */
export function decodeAny(name: string, bytes: Uint8Array): Record<string, unknown> {
  return typeOf(name).decode(bytes)
}

/** Writes a message. */
export function encode(name: string, fields: object): Uint8Array {
  return typeOf(name).encode(fields).finish()
}
