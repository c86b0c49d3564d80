import { createSocket, type Socket as DatagramSocket } from 'node:dgram'
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { parseName } from '../../domains/dns/records.ts'

export interface QueryOptions {
  readonly id?: number
  /** The second 16 bits of the header; RD alone unless told. */
  readonly flags?: number
  readonly class?: number
  /** Upper case where the bit of the character's index is set, as resolvers do against forgery. */
  readonly caseBits?: number
  readonly edns?: {
    readonly payloadLength: number
    readonly version?: number
    readonly flags?: number
    readonly options?: Buffer
  }
}

const typeOf: Readonly<Record<string, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  HINFO: 13,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  DNAME: 39,
  DS: 43,
  RRSIG: 46,
  NSEC: 47,
  HTTPS: 65,
  IXFR: 251,
  AXFR: 252,
  ANY: 255,
  CAA: 257,
  TYPE65280: 65_280,
}

/** A query in wire form, built apart from the code it tests. */
export function queryOf(name: string, type: string, options: QueryOptions = {}): Buffer {
  const { id = 1, flags = 0x0100, class: queryClass = 1, caseBits = 0, edns } = options
  const header = Buffer.alloc(12)
  header.writeUInt16BE(id, 0)
  header.writeUInt16BE(flags, 2)
  header.writeUInt16BE(1, 4)
  header.writeUInt16BE(edns === undefined ? 0 : 1, 10)
  const parsed = parseName(name)
  if (!parsed.ok) throw new Error(parsed.message)
  const wire = Buffer.from(`${parsed.name.wire}\0`, 'latin1')
  for (const [index, octet] of wire.entries()) {
    if (octet >= 97 && octet <= 122 && ((caseBits >> (index % 31)) & 1) === 1) wire[index] = octet - 32
  }
  const tail = Buffer.alloc(4)
  tail.writeUInt16BE(typeOf[type] ?? Number(type), 0)
  tail.writeUInt16BE(queryClass, 2)
  if (edns === undefined) return Buffer.concat([header, wire, tail])
  const opt = Buffer.alloc(11)
  const data = edns.options ?? Buffer.alloc(0)
  opt.writeUInt16BE(41, 1)
  opt.writeUInt16BE(edns.payloadLength, 3)
  opt[6] = edns.version ?? 0
  opt.writeUInt16BE(edns.flags ?? 0, 7)
  opt.writeUInt16BE(data.length, 9)
  return Buffer.concat([header, wire, tail, opt, data])
}

export interface Decoded {
  readonly id: number
  readonly flags: string
  readonly code: number
  readonly questions: readonly string[]
  readonly answer: readonly string[]
  readonly authority: readonly string[]
  readonly additional: readonly string[]
  readonly edns: string | null
}

const flagNames = ['QR', '', '', '', '', 'AA', 'TC', 'RD', 'RA', 'Z', 'AD', 'CD'] as const

/** A response with each section as a sorted list of records in text, names expanded. Throws where it is malformed. */
export function decode(message: Buffer): Decoded {
  const word = message.readUInt16BE(2)
  let offset = 12
  const questions = Array.from({ length: message.readUInt16BE(4) }, () => {
    const name = nameAt(message, offset)
    offset = name.end + 4
    return `${name.text} ${message.readUInt16BE(name.end)} ${message.readUInt16BE(name.end + 2)}`
  })
  let edns: string | null = null
  let extendedCode = 0
  const section = (count: number): string[] => {
    const records: string[] = []
    for (let index = 0; index < count; index += 1) {
      const owner = nameAt(message, offset)
      const type = message.readUInt16BE(owner.end)
      const start = owner.end + 10
      const end = start + message.readUInt16BE(owner.end + 8)
      if (end > message.length) throw new Error('A record goes over the end of the message.')
      offset = end
      if (type === 41) {
        extendedCode = message[owner.end + 4] ?? 0
        const size = message.readUInt16BE(owner.end + 2)
        edns = `version ${message[owner.end + 5]} flags ${message.readUInt16BE(owner.end + 6)} size ${size} options ${message.toString('hex', start, end)}`
        continue
      }
      const ttl = message.readUInt32BE(owner.end + 4)
      records.push(
        `${owner.text.toLowerCase()} ${ttl} ${message.readUInt16BE(owner.end + 2)} ${type} ${dataAt(message, type, start, end)}`,
      )
    }
    return records.sort()
  }
  const answer = section(message.readUInt16BE(6))
  const authority = section(message.readUInt16BE(8))
  const additional = section(message.readUInt16BE(10))
  if (offset !== message.length) throw new Error('Octets trail the message.')
  return {
    id: message.readUInt16BE(0),
    flags: [
      `opcode ${(word >> 11) & 15}`,
      ...flagNames.filter((name, bit) => name !== '' && ((word >> (15 - bit)) & 1) === 1),
    ].join(' '),
    code: extendedCode * 16 + (word & 15),
    questions,
    answer,
    authority,
    additional,
    edns,
  }
}

/** Octets before the names in the data of types whose names may be compressed, and how many names. */
const named: Readonly<Record<number, readonly [number, number]>> = {
  2: [0, 1],
  5: [0, 1],
  6: [0, 2],
  12: [0, 1],
  15: [2, 1],
}

function dataAt(message: Buffer, type: number, start: number, end: number): string {
  const [before, names] = named[type] ?? [end - start, 0]
  const parts = [message.toString('hex', start, start + before)]
  let offset = start + before
  for (let index = 0; index < names; index += 1) {
    const name = nameAt(message, offset)
    parts.push(name.text.toLowerCase())
    offset = name.end
  }
  if (offset > end) throw new Error('A name goes over the end of its record.')
  return [...parts, message.toString('hex', offset, end)].join(' ')
}

function nameAt(message: Buffer, start: number): { readonly text: string; readonly end: number } {
  let text = ''
  let offset = start
  let end = -1
  for (let jumps = 0; ; ) {
    const length = message.readUInt8(offset)
    if (length >= 0xc0) {
      const target = message.readUInt16BE(offset) & 0x3fff
      if (target >= offset || jumps > 127) throw new Error('A pointer does not point back.')
      if (end < 0) end = offset + 2
      offset = target
      jumps += 1
      continue
    }
    if (length > 63) throw new Error('A label has an unknown kind.')
    if (length === 0) break
    if (offset + length >= message.length) throw new Error('A label goes over the end of the message.')
    for (const octet of message.subarray(offset + 1, offset + 1 + length)) {
      text +=
        octet > 32 && octet < 127 && octet !== 46 && octet !== 92
          ? String.fromCharCode(octet)
          : `\\${String(octet).padStart(3, '0')}`
    }
    text += '.'
    offset += length + 1
  }
  return { text: text === '' ? '.' : text, end: end < 0 ? offset + 1 : end }
}

const deadlineMs = 5_000
const endDeadlineMs = 20_000
const sentinelId = 0x5353

/** Asked behind a packet: a server that answers it first has left the packet without a response. */
const sentinel = queryOf('.', 'SOA', { id: sentinelId })

/** A server to which packets are sent one at a time. */
export interface Exchange {
  /** The response; rejects where none comes in time. */
  ask(packet: Buffer): Promise<Buffer>
  /** The response, or null where there is none. */
  exchange(packet: Buffer): Promise<Buffer | null>
  close(): void
}

export class DatagramClient implements Exchange {
  readonly #socket: DatagramSocket
  readonly #port: number

  private constructor(socket: DatagramSocket, port: number) {
    this.#socket = socket
    this.#port = port
  }

  static async open(port: number): Promise<DatagramClient> {
    const socket = createSocket('udp4')
    socket.bind(0, '127.0.0.1')
    await once(socket, 'listening')
    return new DatagramClient(socket, port)
  }

  async ask(packet: Buffer, timeoutMs = deadlineMs): Promise<Buffer> {
    const answered = this.#next(timeoutMs)
    this.#socket.send(packet, this.#port, '127.0.0.1')
    return await answered
  }

  async exchange(packet: Buffer): Promise<Buffer | null> {
    const first = this.#next(deadlineMs)
    this.#socket.send(packet, this.#port, '127.0.0.1')
    this.#socket.send(sentinel, this.#port, '127.0.0.1')
    const response = await first
    if (response.readUInt16BE(0) === sentinelId) return null
    const last = await this.#next(deadlineMs)
    if (last.readUInt16BE(0) !== sentinelId) throw new Error('One packet got two responses.')
    return response
  }

  close(): void {
    this.#socket.close()
  }

  async #next(timeoutMs: number): Promise<Buffer> {
    const [response] = (await once(this.#socket, 'message', { signal: AbortSignal.timeout(timeoutMs) })) as [
      Buffer,
    ]
    return response
  }
}

/** One TCP connection; any number of queries at a time. */
export class StreamClient {
  readonly socket: Socket
  readonly #waiting: { resolve: (message: Buffer) => void; reject: (error: Error) => void }[] = []
  #input = Buffer.alloc(0)

  private constructor(socket: Socket) {
    this.socket = socket
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      for (const { reject } of this.#waiting.splice(0)) reject(new Error('The connection was closed.'))
    })
    socket.on('data', (data: Buffer) => {
      this.#input = Buffer.concat([this.#input, data])
      while (this.#input.length >= 2) {
        const end = 2 + this.#input.readUInt16BE(0)
        if (this.#input.length < end) break
        this.#waiting.shift()?.resolve(this.#input.subarray(2, end))
        this.#input = this.#input.subarray(end)
      }
    })
  }

  static async open(port: number): Promise<StreamClient> {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect', { signal: AbortSignal.timeout(deadlineMs) })
    return new StreamClient(socket)
  }

  async ask(packet: Buffer): Promise<Buffer> {
    const answered = this.next()
    this.socket.write(framed(packet))
    return await answered
  }

  /** The next response that no one else waits for. Rejects when the connection is closed before. */
  async next(): Promise<Buffer> {
    if (this.socket.destroyed) throw new Error('The connection was closed.')
    return await new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('No response came in time.')), deadlineMs)
      this.#waiting.push({
        resolve: (message) => {
          clearTimeout(timer)
          resolve(message)
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      })
    })
  }

  /** Resolves once the connection is closed. */
  async ended(): Promise<void> {
    if (this.socket.closed) return
    await new Promise<void>((resolve, reject) => {
      const timer = setTimeout(
        () => reject(new Error('The connection was not closed in time.')),
        endDeadlineMs,
      )
      this.socket.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  close(): void {
    this.socket.destroy()
  }
}

/** TCP connections, one after the other: a server may close one over what it does not like. */
export class StreamExchange implements Exchange {
  readonly #port: number
  #client: StreamClient

  private constructor(port: number, client: StreamClient) {
    this.#port = port
    this.#client = client
  }

  static async open(port: number): Promise<StreamExchange> {
    return new StreamExchange(port, await StreamClient.open(port))
  }

  async ask(packet: Buffer): Promise<Buffer> {
    try {
      return await this.#client.ask(packet)
    } catch {
      // Closed over the packet before, perhaps.
      await this.#reopen()
      return await this.#client.ask(packet)
    }
  }

  async exchange(packet: Buffer): Promise<Buffer | null> {
    await this.#reopen()
    const first = this.#client.next()
    const last = this.#client.next().catch(() => null)
    this.#client.socket.write(Buffer.concat([framed(packet), framed(sentinel)]))
    const response = await first.catch(() => null)
    if (response === null) return null
    if (response.readUInt16BE(0) === sentinelId) {
      // The one that waits for more would take the next packet's response.
      this.#client.close()
      await last
      return null
    }
    const next = await last
    if (next !== null && next.readUInt16BE(0) !== sentinelId) throw new Error('One packet got two responses.')
    return response
  }

  close(): void {
    this.#client.close()
  }

  async #reopen(): Promise<void> {
    this.#client.close()
    this.#client = await StreamClient.open(this.#port)
  }
}

export function framed(message: Buffer): Buffer {
  const length = Buffer.alloc(2)
  length.writeUInt16BE(message.length)
  return Buffer.concat([length, message])
}
