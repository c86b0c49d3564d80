import protobuf from 'protobufjs'
import { printFile } from './print.ts'
import type { ProtoEnum, ProtoField, ProtoFile, ProtoMessage } from './proto.ts'

type Plain = Readonly<Record<string, unknown>>

/** The bytes are no message of that type: `message` says where and why. */
export class WireError extends Error {
  constructor(message: string) {
    super(message)
    this.name = 'WireError'
  }
}

/** Turns what contracts describe into protobuf bytes and back: the one codec, also for 64-bit integers. */
export class Codec {
  readonly #messages = new Map<string, { readonly message: ProtoMessage; readonly type: protobuf.Type }>()
  readonly #enums = new Map<string, ProtoEnum>()

  constructor(files: readonly ProtoFile[]) {
    const root = new protobuf.Root()
    for (const file of files) protobuf.parse(printFile(file), root)
    root.resolveAll()
    for (const file of files) for (const message of file.messages) this.#index(root, message)
  }

  #index(root: protobuf.Root, message: ProtoMessage): void {
    this.#messages.set(message.fullName, { message, type: root.lookupType(message.fullName) })
    for (const each of message.enums) this.#enums.set(each.fullName, each)
    for (const nested of message.messages) this.#index(root, nested)
  }

  /** Encodes what fits the contract. Throws TypeError for what does not. */
  encode(type: string, value: Plain): Buffer {
    const known = this.#known(type)
    return Buffer.from(known.type.encode(this.#toWire(known.message, value)).finish())
  }

  /**
   * Decodes bytes into the contract's shape, which zod then judges.
   * `strict` (for requests) refuses what the contract does not know; without it (for answers of a newer server) that is skipped.
   * Throws WireError.
   */
  decode(type: string, bytes: Uint8Array, strict: boolean): Record<string, unknown> {
    const known = this.#known(type)
    const reader = protobuf.Reader.create(bytes)
    reader.discardUnknown = false
    let wire: object
    try {
      wire = known.type.decode(reader)
    } catch (error) {
      throw new WireError(
        `the bytes are no ${type}: ${error instanceof Error ? error.message : String(error)}`,
      )
    }
    return this.#fromWire(known.message, wire as Plain, strict)
  }

  #known(type: string): { readonly message: ProtoMessage; readonly type: protobuf.Type } {
    const known = this.#messages.get(type)
    if (known === undefined) throw new TypeError(`there is no message ${type}`)
    return known
  }

  #message(type: string): ProtoMessage {
    return this.#known(type).message
  }

  #toWire(message: ProtoMessage, value: Plain): Record<string, unknown> {
    const wire: Record<string, unknown> = {}
    for (const field of message.fields) {
      const own = value[field.key]
      if (field.boxed && own !== undefined)
        wire[field.key] = this.#toWire(this.#message(field.type), { value: own })
      if (field.boxed || own === undefined || own === null) continue
      wire[field.key] = this.#shaped(field, own, (item) => this.#itemToWire(field, item))
    }
    return wire
  }

  #itemToWire(field: ProtoField, item: unknown): unknown {
    if (field.kind === 'message') return this.#toWire(this.#message(field.type), item as Plain)
    if (field.kind === 'scalar') return item
    const index = this.#enum(field).values.findIndex(({ value }) => value === item)
    if (index === -1) throw new TypeError(`${field.key}: ${String(item)} is none of ${field.type}`)
    return index + 1
  }

  #fromWire(message: ProtoMessage, wire: Plain, strict: boolean): Record<string, unknown> {
    if (strict) refuseUnknown(message, wire)
    const value: Record<string, unknown> = {}
    for (const field of message.fields) {
      const own = Object.hasOwn(wire, field.key) ? wire[field.key] : undefined
      const found =
        own === undefined || own === null
          ? absent(field)
          : this.#shaped(field, own, (item) => this.#itemFromWire(field, item, strict))
      if (found !== undefined) value[field.key] = found
    }
    return value
  }

  #itemFromWire(field: ProtoField, item: unknown, strict: boolean): unknown {
    if (field.kind === 'message') {
      const inner = this.#fromWire(this.#message(field.type), item as Plain, strict)
      return field.boxed ? inner['value'] : inner
    }
    if (field.kind === 'enum') return this.#enumFromWire(field, item as number, strict)
    return field.type === 'int64' ? safeInteger(field, item) : item
  }

  #enumFromWire(field: ProtoField, number: number, strict: boolean): string | undefined {
    if (number === 0) return undefined
    const found = this.#enum(field).values[number - 1]
    if (found === undefined && strict) throw new WireError(`${field.key}: ${number} is none of ${field.type}`)
    return found?.value
  }

  #enum(field: ProtoField): ProtoEnum {
    const found = this.#enums.get(field.type)
    if (found === undefined) throw new TypeError(`there is no enum ${field.type}`)
    return found
  }

  #shaped(field: ProtoField, value: unknown, each: (item: unknown) => unknown): unknown {
    if (field.shape === 'single') return each(value)
    if (field.shape === 'repeated') return (value as readonly unknown[]).map(each)
    return Object.fromEntries(Object.entries(value as Plain).map(([key, item]) => [key, each(item)]))
  }
}

/** proto3 leaves zeros out of the bytes. */
function absent(field: ProtoField): unknown {
  if (field.shape === 'repeated') return []
  if (field.shape === 'map') return {}
  if (field.absent === 'null') return null
  if (field.absent === 'nothing' || field.kind !== 'scalar') return undefined
  if (field.type === 'string') return ''
  if (field.type === 'bytes') return Buffer.alloc(0)
  return field.type === 'bool' ? false : 0
}

function safeInteger(field: ProtoField, value: unknown): number {
  const number =
    typeof value === 'object' && value !== null
      ? (value as { toNumber(): number }).toNumber()
      : (value as number)
  if (!Number.isSafeInteger(number)) throw new WireError(`${field.key}: is beyond 2^53`)
  return number
}

/** Also catches a known number with the wrong wire type, which the decoder files under unknown. */
function refuseUnknown(message: ProtoMessage, wire: Plain): void {
  const [first] = (wire['$unknowns'] ?? []) as readonly Uint8Array[]
  if (first === undefined) return
  const number = protobuf.Reader.create(first).uint32() >>> 3
  const field = message.fields.find((known) => known.number === number)
  if (field !== undefined)
    throw new WireError(`${field.key}: has the wrong wire type for ${message.fullName}`)
  const known = message.fields.map((own) => `${own.name} = ${own.number}`).join(', ')
  throw new WireError(`unknown field ${number} in ${message.fullName}; it takes ${known || 'no fields'}`)
}
