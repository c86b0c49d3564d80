import { connect, type Socket } from 'node:net'
import { until } from '../../testing/until.ts'
import { headerBlock } from '../http2/hpack.ts'
import { flags, frameTypes, PREFACE } from '../http2/protocol.ts'

interface RawFrame {
  readonly type: number
  readonly flag: number
  readonly stream: number
  readonly payload: Buffer
}

/** The head of a call that there is nothing to say against. */
export const REQUEST = headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/', ':authority': 'x' })

export function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}

export function setting(name: number, value: number): Buffer {
  return Buffer.concat([uint32(name).subarray(2), uint32(value)])
}

export function rawFrame(type: number, flag: number, stream: number, payload: Buffer): Buffer {
  const head = Buffer.alloc(9)
  head.writeUIntBE(payload.length, 0, 3)
  head[3] = type
  head[4] = flag
  head.writeUInt32BE(stream, 5)
  return Buffer.concat([head, payload])
}

/** A client that sends what it likes, byte by byte. */
export class RawPeer {
  readonly socket: Socket
  received: Buffer = Buffer.alloc(0)
  closed = false

  constructor(port: number) {
    this.socket = connect(port, '127.0.0.1')
    this.socket.on('data', (chunk: Buffer) => (this.received = Buffer.concat([this.received, chunk])))
    this.socket.on('close', () => (this.closed = true))
    this.socket.on('error', () => undefined)
  }

  greet(own: Buffer = Buffer.alloc(0)): this {
    this.socket.write(PREFACE)
    return this.send(frameTypes.SETTINGS, 0, 0, own)
  }

  send(type: number, flag: number, stream: number, payload: Buffer): this {
    this.socket.write(rawFrame(type, flag, stream, payload))
    return this
  }

  open(stream: number, last = true): this {
    const flag = last ? flags.END_HEADERS | flags.END_STREAM : flags.END_HEADERS
    return this.send(frameTypes.HEADERS, flag, stream, REQUEST)
  }

  get frames(): readonly RawFrame[] {
    const frames: RawFrame[] = []
    for (let at = 0; at + 9 <= this.received.length; ) {
      const end = at + 9 + this.received.readUIntBE(at, 3)
      if (end > this.received.length) break
      const [type = 0, flag = 0] = this.received.subarray(at + 3, at + 5)
      frames.push({
        type,
        flag,
        stream: this.received.readUInt32BE(at + 5),
        payload: this.received.subarray(at + 9, end),
      })
      at = end
    }
    return frames
  }

  dataBytes(stream: number): number {
    const data = this.frames.filter((frame) => frame.type === frameTypes.DATA && frame.stream === stream)
    return data.reduce((total, { payload }) => total + payload.length, 0)
  }

  /** The code of the GOAWAY that ends the connection. */
  async cut(): Promise<number | undefined> {
    await until('the end of the connection', () => this.closed)
    return this.frames.find(({ type }) => type === frameTypes.GOAWAY)?.payload.readUInt32BE(4)
  }

  async reset(stream: number): Promise<number> {
    const found = () =>
      this.frames.find((frame) => frame.type === frameTypes.RST_STREAM && frame.stream === stream)
    await until('a reset', () => found() !== undefined)
    return found()?.payload.readUInt32BE(0) ?? -1
  }

  /** Resolves once all that was sent so far has been taken. */
  async answered(): Promise<void> {
    const count = () =>
      this.frames.filter(({ type, flag }) => type === frameTypes.PING && flag === flags.ACK).length
    const before = count()
    this.send(frameTypes.PING, 0, 0, Buffer.from('12345678'))
    await until('an answer', () => count() > before)
  }
}
