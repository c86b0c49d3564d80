import { readFileSync } from 'node:fs'
import protobuf from 'protobufjs'

/** The checked-in contract, which is also what runs: everything on the wire is derived from it. */
const chainfireProto: URL = new URL('./chainfire.proto', import.meta.url)

const root = protobuf.parse(readFileSync(chainfireProto, 'utf8'), { keepCase: false }).root
const packageName = 'ultracloud.chainfire.v1'

export interface Codec<T> {
  readonly encode: (value: T) => Buffer
  /** Throws when the bytes are not such a message. */
  readonly decode: (bytes: Buffer) => T
}

/** A number as protobufjs decodes a uint64 field. */
export type Uint64 = number | { toNumber(): number }

/** Throws RangeError when a JavaScript number does not hold it exactly. */
export function toNumber(value: Uint64): number {
  const number = typeof value === 'number' ? value : value.toNumber()
  if (!Number.isSafeInteger(number) || number < 0) throw new RangeError('number out of range')
  return number
}

/** `T` must be the shape of the message `name` in the contract, in camel case. */
export function codecOf<T extends object>(name: string): Codec<T> {
  const type = root.lookupType(`${packageName}.${name}`)
  return {
    encode: (value) => {
      const { buffer, byteOffset, byteLength } = type.encode(value).finish()
      return Buffer.from(buffer, byteOffset, byteLength)
    },
    decode: (bytes) => type.decode(bytes) as unknown as T,
  }
}

export interface Method<Request, Response> {
  readonly path: string
  readonly requestStream: boolean
  readonly responseStream: boolean
  readonly requestSerialize: (value: Request) => Buffer
  readonly requestDeserialize: (bytes: Buffer) => Request
  readonly responseSerialize: (value: Response) => Buffer
  readonly responseDeserialize: (bytes: Buffer) => Response
}

/** The method of a service in the contract, in the form that @grpc/grpc-js takes. */
export function methodOf<Request, Response>(
  service: string,
  name: string,
  request: Codec<Request>,
  response: Codec<Response>,
): Method<Request, Response> {
  const method = root.lookupService(`${packageName}.${service}`).methods[name]
  if (method === undefined) throw new RangeError(`${service} has no method ${name}`)
  return {
    path: `/${packageName}.${service}/${name}`,
    requestStream: method.requestStream === true,
    responseStream: method.responseStream === true,
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
  }
}
