import { BlockChecker, type BlockKind, type Field, fieldOf } from './fields.ts'
import { huffmanDecode } from './huffman.ts'
import { protocolError } from './protocol.ts'

/** A call's headers by name, in lower case; of a name that comes twice, the values joined by commas. */
export type Headers = Readonly<Record<string, string | undefined>>

export interface HeaderBlock {
  readonly headers: Headers
  readonly kind: BlockKind
  /** As RFC 9113 §6.5.2 counts them. */
  readonly bytes: number
}

type Pair = readonly [name: string, value: string]

/** RFC 7541, appendix A. */
const staticPairs: readonly Pair[] = [
  [':authority', ''],
  [':method', 'GET'],
  [':method', 'POST'],
  [':path', '/'],
  [':path', '/index.html'],
  [':scheme', 'http'],
  [':scheme', 'https'],
  ...['200', '204', '206', '304', '400', '404', '500'].map((status): Pair => [':status', status]),
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ...[
    'accept-language accept-ranges accept access-control-allow-origin age allow authorization cache-control',
    'content-disposition content-encoding content-language content-length content-location content-range content-type',
    'cookie date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since',
    'last-modified link location max-forwards proxy-authenticate proxy-authorization range referer refresh retry-after',
    'server set-cookie strict-transport-security transfer-encoding user-agent vary via www-authenticate',
  ]
    .flatMap((names) => names.split(' '))
    .map((name): Pair => [name, '']),
]
const staticFields: readonly Field[] = staticPairs.map(([name, value]) => fieldOf(name, value))
const STATIC = staticFields.length

/** What a field counts for beside its text (RFC 7541 §4.1). */
const FIELD_BYTES = 32
const TABLE_BYTES = 4096
/** Of all of a call's headers, as they count. */
export const HEADER_LIST_BYTES_MAX = 64 * 1024
const INTEGER_BYTES_MAX = 5

/** Reads the header blocks of one connection, in order (RFC 7541): the table that compresses them is shared by all. */
export class HeaderDecoder {
  /** Newest first. */
  #table: Field[] = []
  #tableBytes = 0
  #tableBytesMax = TABLE_BYTES
  #block: Buffer = Buffer.alloc(0)
  #at = 0
  /** The last block that neither read nor changed more than the table as it is, and what it says. */
  #known: { readonly bytes: Buffer; readonly block: HeaderBlock } | undefined

  /** Throws ProtocolError: the connection is then of no more use. */
  decode(block: Buffer): HeaderBlock {
    if (this.#known?.bytes.equals(block) === true) return this.#known.block
    this.#block = block
    this.#at = 0
    const headers = Object.create(null) as Record<string, string | undefined>
    const checker = new BlockChecker()
    let bytes = 0
    let changed = this.#takeSizes()
    while (this.#at < block.length) {
      const first = block[this.#at] ?? 0
      if ((first & 0xe0) === 0x20)
        throw protocolError('COMPRESSION_ERROR', 'the table changes its size in the middle of a block')
      const field = first >= 0x80 ? this.#indexed(this.#integer(7)) : this.#literal(first)
      changed ||= (first & 0xc0) === 0x40
      checker.take(field)
      const { name, value } = field
      bytes += sizeOf(field)
      if (bytes > HEADER_LIST_BYTES_MAX)
        throw protocolError('ENHANCE_YOUR_CALM', `headers of more than ${HEADER_LIST_BYTES_MAX} bytes`)
      const before = headers[name]
      headers[name] = before === undefined ? value : `${before}, ${value}`
    }
    const read = { headers, kind: checker.kind, bytes }
    this.#known = changed ? undefined : { bytes: Buffer.from(block), block: read }
    return read
  }

  /** A new size of the table can only come first (RFC 7541 §4.2). */
  #takeSizes(): boolean {
    let changed = false
    while (((this.#block[this.#at] ?? 0) & 0xe0) === 0x20) {
      this.#resize(this.#integer(5))
      changed = true
    }
    return changed
  }

  #indexed(index: number): Field {
    const field = index <= STATIC ? staticFields[index - 1] : this.#table[index - STATIC - 1]
    if (field === undefined) throw protocolError('COMPRESSION_ERROR', `there is no header ${index}`)
    return field
  }

  #literal(first: number): Field {
    const remembered = (first & 0xc0) === 0x40
    const index = this.#integer(remembered ? 6 : 4)
    const name = index === 0 ? this.#text() : this.#indexed(index).name
    const field = fieldOf(name, this.#text())
    if (remembered) {
      this.#table.unshift(field)
      this.#tableBytes += sizeOf(field)
      this.#evict()
    }
    return field
  }

  #resize(bytes: number): void {
    if (bytes > TABLE_BYTES)
      throw protocolError('COMPRESSION_ERROR', `a table of ${bytes} bytes was not allowed`)
    this.#tableBytesMax = bytes
    this.#evict()
  }

  #evict(): void {
    while (this.#tableBytes > this.#tableBytesMax) {
      const oldest = this.#table.pop()
      if (oldest === undefined) return
      this.#tableBytes -= sizeOf(oldest)
    }
  }

  #text(): string {
    const coded = ((this.#block[this.#at] ?? 0) & 0x80) !== 0
    const length = this.#integer(7)
    const start = this.#at
    const end = start + length
    if (end > this.#block.length) throw protocolError('COMPRESSION_ERROR', 'a header is cut short')
    this.#at = end
    return coded ? huffmanDecode(this.#block, start, end) : this.#block.toString('latin1', start, end)
  }

  /** RFC 7541 §5.1. */
  #integer(prefixBits: number): number {
    const most = 2 ** prefixBits - 1
    let value = this.#byte() & most
    if (value < most) return value
    for (let count = 0; count < INTEGER_BYTES_MAX; count++) {
      const byte = this.#byte()
      value += (byte & 0x7f) * 2 ** (7 * count)
      if (byte < 0x80) return value
    }
    throw protocolError('COMPRESSION_ERROR', 'a number in a header is too large')
  }

  #byte(): number {
    const byte = this.#block[this.#at]
    if (byte === undefined) throw protocolError('COMPRESSION_ERROR', 'a header is cut short')
    this.#at += 1
    return byte
  }
}

function sizeOf({ name, value }: Field): number {
  return name.length + value.length + FIELD_BYTES
}

const statusAt = new Map(
  staticPairs.flatMap(([name, value], at) => (name === ':status' ? [[value, at + 1]] : [])),
)

/** A header block that leaves the reader's table as it is: the same bytes on every connection. Names are in lower case. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const parts: Buffer[] = []
  for (const [name, value] of Object.entries(headers)) {
    const index = name === ':status' ? statusAt.get(value) : undefined
    if (index === undefined) parts.push(Buffer.from([0]), textOf(name), textOf(value))
    else parts.push(Buffer.from([0x80 | index]))
  }
  return Buffer.concat(parts)
}

function textOf(text: string): Buffer {
  const bytes = Buffer.from(text, 'latin1')
  const head: number[] = []
  let rest = bytes.length
  if (rest < 0x7f) head.push(rest)
  else {
    head.push(0x7f)
    for (rest -= 0x7f; rest >= 0x80; rest = Math.floor(rest / 0x80)) head.push((rest % 0x80) | 0x80)
    head.push(rest)
  }
  return Buffer.concat([Buffer.from(head), bytes])
}
