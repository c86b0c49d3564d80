/*
 * The protobuf wire format (protobuf.dev/programming-guides/encoding), for messages that are written and read too often for a
 * library that knows all of them.
 */

const VARINT = 0
const BYTES = 2
const FIXED64 = 1
const FIXED32 = 5
const VARINT_BYTES_MAX = 10
const TWO_TO_32 = 2 ** 32

/** How many bytes a number takes that is not negative. */
export function varintBytes(value: number): number {
  let bytes = 1
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes++
  return bytes
}

/** How many bytes a field takes that holds so many, with its tag of one byte. */
export function fieldBytes(length: number): number {
  return 1 + varintBytes(length) + length
}

/** The same for a text, which is left away when it is empty, as proto3 has it. */
export function textBytes(length: number): number {
  return length === 0 ? 0 : fieldBytes(length)
}

/** The same for a number, which is left away when it is 0. */
export function numberBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value)
}

/** Writes into a buffer that is large enough. Fields are numbered up to 15: their tags take one byte. */
export class WireWriter {
  readonly buffer: Buffer
  #at: number

  constructor(buffer: Buffer, at = 0) {
    this.buffer = buffer
    this.#at = at
  }

  get at(): number {
    return this.#at
  }

  /** A whole number that is not negative. */
  varint(value: number): void {
    let rest = value
    while (rest >= 0x80) {
      this.buffer[this.#at++] = (rest % 0x80) | 0x80
      rest = rest < TWO_TO_32 ? rest >>> 7 : Math.floor(rest / 0x80)
    }
    this.buffer[this.#at++] = rest
  }

  /** Nothing for 0. */
  number(field: number, value: number): void {
    if (value === 0) return
    this.buffer[this.#at++] = (field << 3) | VARINT
    this.varint(value)
  }

  /** 64 bits; a negative number in two's complement. */
  number64(field: number, value: bigint): void {
    this.buffer[this.#at++] = (field << 3) | VARINT
    let rest = BigInt.asUintN(64, value)
    for (; rest >= 0x80n; rest >>= 7n) this.buffer[this.#at++] = Number(rest & 0x7fn) | 0x80
    this.buffer[this.#at++] = Number(rest)
  }

  /** The tag and length of what follows. */
  head(field: number, length: number): void {
    this.buffer[this.#at++] = (field << 3) | BYTES
    this.varint(length)
  }

  bytes(field: number, value: Uint8Array): void {
    this.head(field, value.length)
    this.buffer.set(value, this.#at)
    this.#at += value.length
  }

  /** Text that takes `length` bytes; nothing when it is empty. */
  text(field: number, value: string, length: number, encoding: 'utf8' | 'latin1'): void {
    if (length === 0) return
    this.head(field, length)
    // As many bytes as characters is ASCII: latin1 copies it.
    this.buffer.write(value, this.#at, length, length === value.length ? 'latin1' : encoding)
    this.#at += length
  }

  raw(value: Uint8Array): void {
    this.buffer.set(value, this.#at)
    this.#at += value.length
  }
}

/** Reads a part of a buffer. Throws RangeError for what is cut short or no message. */
export class WireReader {
  readonly buffer: Buffer
  readonly end: number
  #at: number
  #wire = 0

  constructor(buffer: Buffer, from: number, to: number) {
    this.buffer = buffer
    this.#at = from
    this.end = to
  }

  get at(): number {
    return this.#at
  }

  /** The number of the next field; 0 at the end. */
  next(): number {
    if (this.#at >= this.end) return 0
    const tag = this.varint()
    this.#wire = tag % 8
    const field = Math.floor(tag / 8)
    if (field === 0) throw new RangeError('a field without a number')
    return field
  }

  /** A number that is not negative: exact up to 2^53. */
  varint(): number {
    let value = 0
    let scale = 1
    for (let count = 0; count < VARINT_BYTES_MAX; count++) {
      if (this.#at >= this.end) throw new RangeError('the message is cut short')
      const byte = this.buffer[this.#at++] ?? 0
      value += (byte & 0x7f) * scale
      if (byte < 0x80) return value
      scale *= 0x80
    }
    throw new RangeError('a number is too long')
  }

  /** The present field as a number. */
  number(): number {
    if (this.#wire !== VARINT) throw new RangeError('a field is no number')
    return this.varint()
  }

  /** Where the bytes of the present field begin; they end at `at` then. */
  bytes(): number {
    if (this.#wire !== BYTES) throw new RangeError('a field holds no bytes')
    const length = this.varint()
    const from = this.#at
    if (length > this.end - from) throw new RangeError('the message is cut short')
    this.#at = from + length
    return from
  }

  /** The present field as text, one character a byte. */
  latin1(): string {
    const from = this.bytes()
    return this.buffer.toString('latin1', from, this.#at)
  }

  /** Leaves the present field out. */
  skip(): void {
    switch (this.#wire) {
      case VARINT:
        this.varint()
        break
      case BYTES:
        this.bytes()
        break
      case FIXED64:
        this.#pass(8)
        break
      case FIXED32:
        this.#pass(4)
        break
      default:
        throw new RangeError(`there is no wire type ${this.#wire}`)
    }
  }

  #pass(bytes: number): void {
    if (bytes > this.end - this.#at) throw new RangeError('the message is cut short')
    this.#at += bytes
  }
}
