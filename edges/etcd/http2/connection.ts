import type { Socket } from 'node:net'
import type { Budget, Holder } from './budget.ts'
import { Calm } from './calm.ts'
import { content, HEADER_BLOCK_BYTES_MAX, PartialBlock, uint32 } from './framing.ts'
import { type HeaderBlock, HeaderDecoder } from './hpack.ts'
import { Output } from './output.ts'
import { changedSettings, defaultSettings } from './peer_settings.ts'
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
import { contentLength, ServerStream } from './stream.ts'

const PREFACE_MS = 10_000
/** How long a peer has to take what is left for it. */
const END_MS = 1_000
/** After how long without a word it is asked whether the peer's machine is still there. */
const KEEP_ALIVE_MS = 60_000
const NOTHING = Buffer.alloc(0)
/** A dynamic table of no bytes, which is all that is used of it (RFC 7541 §6.3). */
const NO_TABLE = Buffer.from([0x20])
/** Answers to pings and settings go to who takes them: beyond so many bytes in the socket the peer does not. */
const REPLIES_WAITING_BYTES_MAX = 4 << 20
/** What a call takes in memory, about, besides its headers and data. */
const STREAM_BYTES = 1024
const RESET_COST = 4
const SETTINGS_COST = 4

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
  /** Of all connections of the server together. */
  readonly budget: Budget
}

/** An HTTP/2 connection as its server sees it (RFC 9113), without what gRPC does not use: priorities and pushes. */
export class Connection implements Holder {
  readonly output: Output
  readonly windowBytes: number
  readonly #socket: Socket
  readonly #limits: ConnectionLimits
  readonly #ports: ConnectionPorts
  readonly #decoder = new HeaderDecoder()
  readonly #streams = new Map<number, ServerStream>()
  /** Those that wait for room of the connection, in turn. */
  readonly #blocked = new Set<ServerStream>()
  /** Calls that this side ended before their request did: what still comes of them was sent in good faith. */
  readonly #cutShort = new Set<number>()
  readonly #calm = new Calm()
  readonly #prefaceTimer: NodeJS.Timeout
  #rest: Buffer = NOTHING
  #prefaceSeen = false
  #settingsSeen = false
  #sendWindow = WINDOW_BYTES_DEFAULT
  #peer = defaultSettings
  #tableShrank = false
  #receiveWindow: number
  #waitingBytes = 0
  #held = 0
  #lastStream = 0
  /** The last call that was served; what GOAWAY says must not grow. */
  #lastServed = 0
  #closing = false
  #ended = false
  /** A header block that has not come whole. */
  #partial: PartialBlock | undefined

  constructor(socket: Socket, limits: ConnectionLimits, ports: ConnectionPorts) {
    this.#socket = socket
    this.#limits = limits
    this.#ports = ports
    this.windowBytes = limits.windowBytes
    this.#receiveWindow = limits.connectionWindowBytes
    this.output = new Output(socket)
    this.#prefaceTimer = setTimeout(() => this.destroy(), PREFACE_MS).unref()
    ports.budget.join(this)
    socket.setNoDelay(true)
    socket.setKeepAlive(true, KEEP_ALIVE_MS)
    socket.on('data', (chunk: Buffer) => this.#take(chunk))
    socket.on('drain', () => this.#pump())
    socket.on('end', () => this.#endOfPeer())
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

  /** What the peer takes in one frame. */
  get frameBytesMax(): number {
    return this.#peer.frameBytesMax
  }

  get held(): number {
    return this.#held
  }

  cut(): void {
    this.#ended = true
    this.destroy()
    this.#lostAll()
  }

  /** Bytes of memory are held for a call, or, when negative, no more. */
  hold(bytes: number): void {
    this.#held += bytes
    this.#ports.budget.change(bytes)
  }

  sent(bytes: number): void {
    this.#sendWindow -= bytes
  }

  /** Bytes of an answer wait for the peer, or, when negative, no more. */
  waits(bytes: number): void {
    this.#waitingBytes += bytes
    this.hold(bytes)
    if (this.#waitingBytes > 2 * this.#limits.waitingBytesMax) this.destroy()
  }

  /** Resumes the stream once there is room. */
  block(stream: ServerStream): void {
    this.#blocked.add(stream)
  }

  forget(stream: ServerStream): void {
    this.hold(-(STREAM_BYTES + stream.headerBytes))
    this.#streams.delete(stream.id)
    this.#blocked.delete(stream)
    if (!stream.requestEnded) this.#cutsShort(stream.id)
    this.#endIfIdle()
  }

  headers(stream: number, flag: number, block: Buffer): void {
    if (this.#tableShrank) {
      this.#tableShrank = false
      this.output.frame(frameTypes.HEADERS, flag, stream, Buffer.concat([NO_TABLE, block]))
    } else this.output.frame(frameTypes.HEADERS, flag, stream, block)
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
    if (!this.#settingsSeen && (type !== frameTypes.SETTINGS || (flag & flags.ACK) !== 0))
      throw protocolError('PROTOCOL_ERROR', 'the first frame is not of settings')
    if (this.#partial !== undefined && (type !== frameTypes.CONTINUATION || stream !== this.#partial.stream))
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
        this.#resetByPeer(stream, payload)
        break
      case frameTypes.SETTINGS:
        this.#settings(flag, stream, payload)
        break
      case frameTypes.PING:
        if (stream !== 0) throw protocolError('PROTOCOL_ERROR', 'a ping of a single call')
        checkSize(payload.length === 8)
        this.#calm.spend(1)
        if ((flag & flags.ACK) === 0) this.#reply(frameTypes.PING, payload)
        break
      case frameTypes.WINDOW_UPDATE:
        this.#windowUpdate(stream, payload)
        break
      case frameTypes.PUSH_PROMISE:
        throw protocolError('PROTOCOL_ERROR', 'a client cannot push')
      case frameTypes.PRIORITY:
        if (stream === 0) throw protocolError('PROTOCOL_ERROR', 'a priority of no call')
        checkSize(payload.length === 5)
        this.#calm.spend(1)
        break
      case frameTypes.GOAWAY:
        if (stream !== 0) throw protocolError('PROTOCOL_ERROR', 'a call alone goes away')
        checkSize(payload.length >= 8)
        this.#calm.spend(1)
        break
      default:
        this.#calm.spend(1)
    }
  }

  #data(flag: number, id: number, payload: Buffer): void {
    this.#checkStream(id)
    const data = content(flag, payload, false)
    const last = (flag & flags.END_STREAM) !== 0
    this.#receiveWindow -= payload.length
    if (this.#receiveWindow < 0) throw protocolError('FLOW_CONTROL_ERROR', 'more came than was allowed')
    const { connectionWindowBytes } = this.#limits
    if (this.#receiveWindow < connectionWindowBytes / 2) {
      this.grant(0, connectionWindowBytes - this.#receiveWindow)
      this.#receiveWindow = connectionWindowBytes
    }
    const stream = this.#streams.get(id)
    if (data.length === 0 && !last) this.#calm.spend(1)
    if (stream === undefined) this.#ofClosed(id, last)
    else if (stream.requestEnded) stream.reset(errorCodes.STREAM_CLOSED)
    else {
      stream.receive(data, payload.length)
      if (last) stream.receivedAll()
    }
  }

  #headersBegin(flag: number, stream: number, payload: Buffer): void {
    if (stream % 2 === 0) throw protocolError('PROTOCOL_ERROR', `a call with the number ${stream}`)
    const block = content(flag, payload, (flag & flags.PRIORITY) !== 0)
    const last = (flag & flags.END_STREAM) !== 0
    if ((flag & flags.END_HEADERS) !== 0) this.#headersDone(stream, last, block)
    else this.#partial = new PartialBlock(stream, last, block)
  }

  #headersGoOn(flag: number, payload: Buffer): void {
    const partial = this.#partial
    if (partial === undefined) throw protocolError('PROTOCOL_ERROR', 'headers go on that did not begin')
    partial.add(payload)
    if ((flag & flags.END_HEADERS) === 0) return
    this.#partial = undefined
    this.#headersDone(partial.stream, partial.last, partial.whole)
  }

  #headersDone(id: number, last: boolean, block: Buffer): void {
    const read = this.#decoder.decode(block)
    if (id > this.#lastStream) {
      this.#lastStream = id
      this.#open(id, last, read)
      return
    }
    const known = this.#streams.get(id)
    if (known === undefined) this.#ofClosed(id, last)
    else if (known.requestEnded) known.reset(errorCodes.STREAM_CLOSED)
    else if (!last || read.kind !== 'trailers') known.reset(errorCodes.PROTOCOL_ERROR)
    else known.receivedAll()
  }

  #open(id: number, last: boolean, { headers, kind, bytes }: HeaderBlock): void {
    const length = contentLength(headers)
    if (this.#closing) {
      if (!last) this.#cutsShort(id)
    } else if (kind !== 'request' || length === 'malformed') this.#refuse(id, last, errorCodes.PROTOCOL_ERROR)
    else if (this.#streams.size >= this.#limits.streamsMax || this.#overfull)
      this.#refuse(id, last, errorCodes.REFUSED_STREAM)
    else {
      this.#lastServed = id
      const stream = new ServerStream(this, id, headers, bytes, this.#peer.windowBytes, length)
      this.#streams.set(id, stream)
      this.hold(STREAM_BYTES + bytes)
      if (stream.closed) return
      this.#ports.opened(stream)
      if (last) stream.receivedAll()
    }
  }

  #refuse(id: number, last: boolean, code: number): void {
    this.#calm.spend(1)
    if (!last) this.#cutsShort(id)
    this.reset(id, code)
  }

  #cutsShort(id: number): void {
    this.#cutShort.add(id)
    if (this.#cutShort.size <= this.#limits.streamsMax) return
    // The peer cannot have more of them open: of the oldest it has been told.
    for (const oldest of this.#cutShort) {
      this.#cutShort.delete(oldest)
      return
    }
  }

  /** A frame of a call that is over (RFC 9113 §5.1). */
  #ofClosed(id: number, last: boolean): void {
    if (!this.#cutShort.has(id)) throw protocolError('STREAM_CLOSED', `call ${id} is over`)
    if (last) this.#cutShort.delete(id)
  }

  #resetByPeer(id: number, payload: Buffer): void {
    checkSize(payload.length === 4)
    this.#checkStream(id)
    this.#calm.spend(RESET_COST)
    this.#cutShort.delete(id)
    this.#streams.get(id)?.lost()
  }

  get #overfull(): boolean {
    return this.#waitingBytes + this.output.waiting > this.#limits.waitingBytesMax
  }

  #settings(flag: number, stream: number, payload: Buffer): void {
    if (stream !== 0) throw protocolError('PROTOCOL_ERROR', 'settings of a single call')
    if ((flag & flags.ACK) !== 0) {
      checkSize(payload.length === 0)
      this.#calm.spend(1)
      return
    }
    this.#settingsSeen = true
    clearTimeout(this.#prefaceTimer)
    const more = this.#peer.windowBytes
    this.#peer = changedSettings(this.#peer, payload)
    this.#tableShrank ||= this.#peer.tableShrank
    const grown = this.#peer.windowBytes - more
    // Each call's window changes with it.
    this.#calm.spend(SETTINGS_COST + (grown === 0 ? 0 : this.#streams.size / 4))
    this.#reply(frameTypes.SETTINGS, NOTHING)
    if (grown !== 0) this.#changeWindows(grown)
  }

  #changeWindows(bytes: number): void {
    for (const stream of this.#streams.values()) {
      stream.sendWindow += bytes
      if (stream.sendWindow > WINDOW_BYTES_MAX)
        throw protocolError('FLOW_CONTROL_ERROR', 'the window of a call is too large')
    }
    if (bytes > 0) for (const stream of [...this.#streams.values()]) stream.resume()
  }

  /** Answers what must be answered at once. A peer that asks and does not read is cut off. */
  #reply(type: number, payload: Buffer): void {
    const { waitingBytesMax } = this.#limits
    if (this.output.waiting > Math.min(REPLIES_WAITING_BYTES_MAX, waitingBytesMax)) this.destroy()
    else this.output.frame(type, flags.ACK, 0, payload)
  }

  #windowUpdate(id: number, payload: Buffer): void {
    checkSize(payload.length === 4)
    const bytes = payload.readUInt32BE(0) & 0x7fffffff
    if (id === 0) {
      if (bytes === 0) throw protocolError('PROTOCOL_ERROR', 'a window grows by nothing')
      this.#sendWindow += bytes
      if (this.#sendWindow > WINDOW_BYTES_MAX)
        throw protocolError('FLOW_CONTROL_ERROR', 'the window of the connection is too large')
      this.#pump()
      return
    }
    this.#checkStream(id)
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    stream.sendWindow += bytes
    if (bytes === 0) stream.reset(errorCodes.PROTOCOL_ERROR)
    else if (stream.sendWindow > WINDOW_BYTES_MAX) stream.reset(errorCodes.FLOW_CONTROL_ERROR)
    else stream.resume()
  }

  #pump(): void {
    while (this.room > 0) {
      const next = this.#blocked.values().next()
      if (next.done === true) return
      this.#blocked.delete(next.value)
      next.value.resume()
    }
  }

  #checkStream(id: number): void {
    if (id % 2 === 0 || id > this.#lastStream)
      throw protocolError('PROTOCOL_ERROR', `call ${id} has not begun`)
  }

  #goAway(code: number): void {
    const payload = Buffer.alloc(8)
    payload.writeUInt32BE(this.#lastServed, 0)
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

  /** The peer sends no more: nobody is left to answer. */
  #endOfPeer(): void {
    this.#end()
    this.#lostAll()
  }

  #lost(): void {
    clearTimeout(this.#prefaceTimer)
    this.#ended = true
    this.#lostAll()
    this.#ports.budget.leave(this)
    this.#ports.closed()
  }

  #lostAll(): void {
    for (const stream of [...this.#streams.values()]) stream.lost()
  }
}

function checkSize(isRight: boolean): void {
  if (!isRight) throw protocolError('FRAME_SIZE_ERROR', 'a frame of another form')
}
