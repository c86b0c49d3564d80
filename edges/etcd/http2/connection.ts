import type { Socket } from 'node:net'
import { HeaderDecoder } from './hpack.ts'
import { Output } from './output.ts'
import {
  errorCodes,
  FRAME_BYTES_DEFAULT,
  FRAME_HEAD_BYTES,
  flags,
  frameTypes,
  PREFACE,
  ProtocolError,
  protocolError,
  settings,
  WINDOW_BYTES_DEFAULT,
  WINDOW_BYTES_MAX,
} from './protocol.ts'
import { ServerStream } from './stream.ts'

const PREFACE_MS = 10_000
/** How long a peer has to take what is left for it. */
const END_MS = 1_000
const NOTHING = Buffer.alloc(0)
const HEADER_BLOCK_BYTES_MAX = 64 * 1024

export interface ConnectionLimits {
  /** Calls under way, at most. */
  readonly streamsMax: number
  /** Bytes of a request that come before any are used up. */
  readonly windowBytes: number
  /** The same for all of the connection's requests together. */
  readonly connectionWindowBytes: number
  /** Bytes of answers that wait for the peer; beyond it calls are refused, then the connection is cut. */
  readonly waitingBytesMax: number
}

export interface ConnectionPorts {
  /** A new call. It may set the stream's listener. */
  readonly opened: (stream: ServerStream) => void
  readonly closed: () => void
}

/** An HTTP/2 connection as its server sees it (RFC 9113), without what gRPC does not use: priorities and pushes. */
export class Connection {
  readonly output: Output
  readonly windowBytes: number
  /** What the peer takes in one frame. */
  frameBytesMax = FRAME_BYTES_DEFAULT
  readonly #socket: Socket
  readonly #limits: ConnectionLimits
  readonly #ports: ConnectionPorts
  readonly #decoder = new HeaderDecoder()
  readonly #streams = new Map<number, ServerStream>()
  readonly #blocked = new Set<ServerStream>()
  readonly #prefaceTimer: NodeJS.Timeout
  #rest: Buffer = NOTHING
  #prefaceSeen = false
  #settingsSeen = false
  #sendWindow = WINDOW_BYTES_DEFAULT
  #streamWindow = WINDOW_BYTES_DEFAULT
  #receiveWindow: number
  #waitingBytes = 0
  #lastStream = 0
  #closing = false
  #ended = false
  /** A header block that has not come whole. */
  #headers: { readonly stream: number; readonly last: boolean; parts: Buffer[]; bytes: number } | undefined

  constructor(socket: Socket, limits: ConnectionLimits, ports: ConnectionPorts) {
    this.#socket = socket
    this.#limits = limits
    this.#ports = ports
    this.windowBytes = limits.windowBytes
    this.#receiveWindow = limits.connectionWindowBytes
    this.output = new Output(socket)
    this.#prefaceTimer = setTimeout(() => this.destroy(), PREFACE_MS).unref()
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('drain', () => this.#pump())
    socket.on('error', () => socket.destroy())
    socket.on('close', () => this.#lost())
    this.#greet()
  }

  /** Bytes of answers that may go out now. */
  get room(): number {
    return this.output.congested ? 0 : this.#sendWindow
  }

  /** Takes no more calls, and ends once those under way are answered. */
  close(): void {
    if (this.#closing) return
    this.#closing = true
    this.#goAway(errorCodes.NO_ERROR)
    this.#endIfIdle()
  }

  destroy(): void {
    this.#socket.destroy()
  }

  sent(bytes: number): void {
    this.#sendWindow -= bytes
    this.#waitingBytes -= bytes
  }

  waits(bytes: number): void {
    this.#waitingBytes += bytes
    if (this.#waitingBytes > 2 * this.#limits.waitingBytesMax) this.destroy()
  }

  /** Pumps the stream again once there is room. */
  block(stream: ServerStream): void {
    this.#blocked.add(stream)
  }

  forget(stream: ServerStream, droppedBytes: number): void {
    this.#waitingBytes -= droppedBytes
    this.#streams.delete(stream.id)
    this.#blocked.delete(stream)
    this.#endIfIdle()
  }

  reset(stream: number, code: number): void {
    this.output.frame(frameTypes.RST_STREAM, 0, stream, uint32(code))
  }

  grant(stream: number, bytes: number): void {
    this.output.frame(frameTypes.WINDOW_UPDATE, 0, stream, uint32(bytes))
  }

  #greet(): void {
    const { streamsMax, windowBytes, connectionWindowBytes } = this.#limits
    const own = [
      [settings.MAX_CONCURRENT_STREAMS, streamsMax],
      [settings.INITIAL_WINDOW_SIZE, windowBytes],
      [settings.MAX_HEADER_LIST_SIZE, HEADER_BLOCK_BYTES_MAX],
    ] as const
    const payload = Buffer.alloc(6 * own.length)
    for (const [at, [name, value]] of own.entries()) {
      payload.writeUInt16BE(name, 6 * at)
      payload.writeUInt32BE(value, 6 * at + 2)
    }
    this.output.frame(frameTypes.SETTINGS, 0, 0, payload)
    this.grant(0, connectionWindowBytes - WINDOW_BYTES_DEFAULT)
  }

  #take(chunk: Buffer): void {
    if (this.#ended) return
    try {
      const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk])
      const at = this.#prefaceSeen ? 0 : this.#takePreface(bytes)
      const end = this.#prefaceSeen ? this.#takeFrames(bytes, at) : at
      this.#rest = end === bytes.length ? NOTHING : bytes.subarray(end)
    } catch (error) {
      this.#fail(error instanceof ProtocolError ? error.code : errorCodes.INTERNAL_ERROR)
    }
  }

  #takePreface(bytes: Buffer): number {
    const length = Math.min(bytes.length, PREFACE.length)
    if (!bytes.subarray(0, length).equals(PREFACE.subarray(0, length)))
      throw protocolError('PROTOCOL_ERROR', 'the peer does not speak HTTP/2')
    if (length < PREFACE.length) return 0
    this.#prefaceSeen = true
    clearTimeout(this.#prefaceTimer)
    return PREFACE.length
  }

  #takeFrames(bytes: Buffer, from: number): number {
    let at = from
    while (bytes.length - at >= FRAME_HEAD_BYTES && !this.#ended) {
      const length = bytes.readUIntBE(at, 3)
      if (length > FRAME_BYTES_DEFAULT) throw protocolError('FRAME_SIZE_ERROR', `a frame of ${length} bytes`)
      const end = at + FRAME_HEAD_BYTES + length
      if (end > bytes.length) break
      const stream = bytes.readUInt32BE(at + 5) & 0x7fffffff
      this.#frame(bytes[at + 3] ?? 0, bytes[at + 4] ?? 0, stream, bytes.subarray(at + FRAME_HEAD_BYTES, end))
      at = end
    }
    return at
  }

  #frame(type: number, flag: number, stream: number, payload: Buffer): void {
    if (!this.#settingsSeen && type !== frameTypes.SETTINGS)
      throw protocolError('PROTOCOL_ERROR', 'the first frame is not of settings')
    if (this.#headers !== undefined && (type !== frameTypes.CONTINUATION || stream !== this.#headers.stream))
      throw protocolError('PROTOCOL_ERROR', 'a header block is interrupted')
    switch (type) {
      case frameTypes.DATA:
        this.#data(flag, stream, payload)
        break
      case frameTypes.HEADERS:
        this.#headersBegin(flag, stream, payload)
        break
      case frameTypes.CONTINUATION:
        this.#headersGoOn(flag, payload)
        break
      case frameTypes.RST_STREAM:
        this.#checkStream(stream, payload.length === 4)
        this.#streams.get(stream)?.lost()
        break
      case frameTypes.SETTINGS:
        this.#settings(flag, stream, payload)
        break
      case frameTypes.PING:
        if (stream !== 0 || payload.length !== 8)
          throw protocolError('FRAME_SIZE_ERROR', 'a ping of another form')
        if ((flag & flags.ACK) === 0) this.#reply(frameTypes.PING, payload)
        break
      case frameTypes.WINDOW_UPDATE:
        this.#windowUpdate(stream, payload)
        break
      case frameTypes.PUSH_PROMISE:
        throw protocolError('PROTOCOL_ERROR', 'a client cannot push')
    }
  }

  #data(flag: number, id: number, payload: Buffer): void {
    const data = unpadded(flag, payload, 0)
    this.#checkStream(id, true)
    this.#receiveWindow -= payload.length
    if (this.#receiveWindow < 0) throw protocolError('FLOW_CONTROL_ERROR', 'more came than was allowed')
    const { connectionWindowBytes } = this.#limits
    if (this.#receiveWindow < connectionWindowBytes / 2) {
      this.grant(0, connectionWindowBytes - this.#receiveWindow)
      this.#receiveWindow = connectionWindowBytes
    }
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    if (stream.requestEnded) {
      stream.reset(errorCodes.STREAM_CLOSED)
      return
    }
    stream.receiveWindow -= payload.length
    if (stream.receiveWindow < 0) {
      stream.reset(errorCodes.FLOW_CONTROL_ERROR)
      return
    }
    if (payload.length > data.length) stream.consumed(payload.length - data.length)
    if (data.length > 0) stream.receive(data)
    if ((flag & flags.END_STREAM) !== 0) stream.receivedAll()
  }

  #headersBegin(flag: number, stream: number, payload: Buffer): void {
    if (stream % 2 === 0) throw protocolError('PROTOCOL_ERROR', `a call with the number ${stream}`)
    const block = unpadded(flag, payload, (flag & flags.PRIORITY) === 0 ? 0 : 5)
    const last = (flag & flags.END_STREAM) !== 0
    if ((flag & flags.END_HEADERS) !== 0) this.#headersDone(stream, last, block)
    else this.#headers = { stream, last, parts: [Buffer.from(block)], bytes: block.length }
  }

  #headersGoOn(flag: number, payload: Buffer): void {
    const headers = this.#headers
    if (headers === undefined) throw protocolError('PROTOCOL_ERROR', 'headers go on that did not begin')
    headers.parts.push(Buffer.from(payload))
    // An empty part counts, too: nobody may send them for ever.
    headers.bytes += payload.length + FRAME_HEAD_BYTES
    if (headers.bytes > HEADER_BLOCK_BYTES_MAX)
      throw protocolError('ENHANCE_YOUR_CALM', 'headers without an end')
    if ((flag & flags.END_HEADERS) === 0) return
    this.#headers = undefined
    this.#headersDone(headers.stream, headers.last, Buffer.concat(headers.parts))
  }

  #headersDone(id: number, last: boolean, block: Buffer): void {
    const headers = this.#decoder.decode(block)
    if (id <= this.#lastStream) {
      const known = this.#streams.get(id)
      if (known !== undefined && !last) known.reset(errorCodes.PROTOCOL_ERROR)
      else known?.receivedAll()
      return
    }
    this.#lastStream = id
    if (this.#closing) return
    if (this.#streams.size >= this.#limits.streamsMax || this.#overfull) {
      this.reset(id, errorCodes.REFUSED_STREAM)
      return
    }
    const stream = new ServerStream(this, id, headers, this.#streamWindow, this.windowBytes)
    this.#streams.set(id, stream)
    this.#ports.opened(stream)
    if (last) stream.receivedAll()
  }

  get #overfull(): boolean {
    return this.#waitingBytes + this.output.waiting > this.#limits.waitingBytesMax
  }

  #settings(flag: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw protocolError('PROTOCOL_ERROR', 'settings of a single call')
    this.#settingsSeen = true
    if ((flag & flags.ACK) !== 0) return
    if (payload.length % 6 !== 0) throw protocolError('FRAME_SIZE_ERROR', 'settings of another form')
    for (let at = 0; at < payload.length; at += 6)
      this.#set(payload.readUInt16BE(at), payload.readUInt32BE(at + 2))
    this.#reply(frameTypes.SETTINGS, NOTHING)
  }

  #set(name: number, value: number): void {
    if (name === settings.INITIAL_WINDOW_SIZE) {
      if (value > WINDOW_BYTES_MAX) throw protocolError('FLOW_CONTROL_ERROR', `a window of ${value} bytes`)
      for (const stream of this.#streams.values()) stream.sendWindow += value - this.#streamWindow
      this.#streamWindow = value
      this.#pump()
    } else if (name === settings.MAX_FRAME_SIZE) {
      if (value < FRAME_BYTES_DEFAULT || value >= 1 << 24)
        throw protocolError('PROTOCOL_ERROR', `frames of ${value} bytes`)
      this.frameBytesMax = value
    }
  }

  /** Answers what must be answered at once. A peer that asks and does not read is cut off. */
  #reply(type: number, payload: Buffer): void {
    if (this.#overfull) this.destroy()
    else this.output.frame(type, flags.ACK, 0, payload)
  }

  #windowUpdate(id: number, payload: Buffer): void {
    if (payload.length !== 4) throw protocolError('FRAME_SIZE_ERROR', 'a window update of another form')
    const bytes = payload.readUInt32BE(0) & 0x7fffffff
    if (id === 0) {
      this.#sendWindow += bytes
      if (bytes === 0 || this.#sendWindow > WINDOW_BYTES_MAX)
        throw protocolError('FLOW_CONTROL_ERROR', 'a window that is none')
      this.#pump()
      return
    }
    this.#checkStream(id, true)
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    stream.sendWindow += bytes
    if (bytes === 0 || stream.sendWindow > WINDOW_BYTES_MAX) stream.reset(errorCodes.FLOW_CONTROL_ERROR)
    else this.#pumpOne(stream)
  }

  #pump(): void {
    for (const stream of [...this.#blocked]) {
      if (this.room <= 0) return
      this.#pumpOne(stream)
    }
  }

  #pumpOne(stream: ServerStream): void {
    if (!this.#blocked.delete(stream)) return
    if (stream.pump()) stream.listener?.drained()
  }

  #checkStream(id: number, wellFormed: boolean): void {
    if (!wellFormed) throw protocolError('FRAME_SIZE_ERROR', 'a frame of another form')
    if (id === 0 || id > this.#lastStream) throw protocolError('PROTOCOL_ERROR', `call ${id} has not begun`)
  }

  #goAway(code: number): void {
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(this.#lastStream, 0)
    payload.writeUInt32BE(code, 4)
    this.output.frame(frameTypes.GOAWAY, 0, 0, payload)
  }

  /** The peer broke the protocol: it is told, and the connection ends (RFC 9113 §5.4.1). */
  #fail(code: number): void {
    this.#closing = true
    if (this.#prefaceSeen) this.#goAway(code)
    this.#end()
    this.#lostAll()
  }

  #endIfIdle(): void {
    if (this.#closing && this.#streams.size === 0) this.#end()
  }

  /** Lets what is written go out, and be read: a socket that is closed with bytes unread takes back what it has sent. */
  #end(): void {
    if (this.#ended) return
    this.#ended = true
    clearTimeout(this.#prefaceTimer)
    setTimeout(() => this.destroy(), END_MS).unref()
    setImmediate(() => this.#socket.end())
  }

  #lost(): void {
    clearTimeout(this.#prefaceTimer)
    this.#ended = true
    this.#lostAll()
    this.#ports.closed()
  }

  #lostAll(): void {
    for (const stream of [...this.#streams.values()]) stream.lost()
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value, 0)
  return bytes
}

/** A frame's payload without padding, and without what comes first. */
function unpadded(flag: number, payload: Buffer, from: number): Buffer {
  if ((flag & flags.PADDED) === 0) {
    if (from > payload.length) throw protocolError('FRAME_SIZE_ERROR', 'a frame is cut short')
    return from === 0 ? payload : payload.subarray(from)
  }
  const end = payload.length - (payload[0] ?? 0)
  if (end < 1 + from) throw protocolError('PROTOCOL_ERROR', 'a frame holds nothing but padding')
  return payload.subarray(1 + from, end)
}
