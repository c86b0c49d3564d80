import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type IncomingHttpHeaders,
} from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { until } from '../../testing/until.ts'
import { RawPeer, REQUEST, setting, uint32 } from '../testing/raw_peer.ts'
import { Budget } from './budget.ts'
import { Connection } from './connection.ts'
import { headerBlock } from './hpack.ts'
import { errorCodes, flags, frameTypes, PREFACE, settings } from './protocol.ts'
import type { ServerStream } from './stream.ts'

const limits = {
  streamsMax: 4,
  windowBytes: 1 << 16,
  connectionWindowBytes: 1 << 18,
  waitingBytesMax: 1 << 20,
}
const OK = headerBlock({ ':status': '200' })
const END = headerBlock({ done: 'yes' })

let server: Server
let port: number
let connections: Connection[]
let streams: ServerStream[]
let budget: Budget
/** What a call does with its stream. */
let serve: (stream: ServerStream) => void
const cleanups: (() => void)[] = []

/** Sends back what comes, as it comes. */
function echo(stream: ServerStream): void {
  stream.respond(OK, false)
  stream.listener = {
    data: (chunk) => {
      stream.write(Buffer.from(chunk))
      stream.consumed(chunk.length)
    },
    ended: () => stream.end(END),
    closed: () => undefined,
    drained: () => undefined,
  }
}

beforeEach(async () => {
  connections = []
  streams = []
  budget = new Budget(1 << 24)
  serve = echo
  server = createServer((socket) => {
    const ports = {
      opened: (stream: ServerStream) => {
        streams.push(stream)
        serve(stream)
      },
      closed: () => (connections = connections.filter((each) => each !== connection)),
      budget,
    }
    const connection = new Connection(socket, limits, ports)
    connections.push(connection)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterEach(async () => {
  for (const cleanup of cleanups.splice(0)) cleanup()
  for (const connection of [...connections]) connection.destroy()
  await new Promise((resolve) => server.close(resolve))
})

function client(): ClientHttp2Session {
  const session = connect(`http://127.0.0.1:${port}`)
  session.on('error', () => undefined)
  cleanups.push(() => session.destroy())
  return session
}

function rawPeer(): RawPeer {
  const peer = new RawPeer(port)
  cleanups.push(() => peer.socket.destroy())
  return peer
}

interface Answered {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
  readonly trailers: IncomingHttpHeaders
  readonly code: number | undefined
}

function answered(stream: ClientHttp2Stream): Promise<Answered> {
  let headers: IncomingHttpHeaders = {}
  let trailers: IncomingHttpHeaders = {}
  const parts: Buffer[] = []
  stream.on('response', (got) => (headers = got))
  stream.on('trailers', (got) => (trailers = got))
  stream.on('data', (chunk: Buffer) => parts.push(chunk))
  stream.on('error', () => undefined)
  return new Promise((resolve) =>
    stream.on('close', () =>
      resolve({ headers, body: Buffer.concat(parts), trailers, code: stream.rstCode }),
    ),
  )
}

describe('a connection, with the client of node:http2', () => {
  it('takes calls with any headers and bodies, and answers them', async () => {
    const session = client()
    const name = fc.stringMatching(/^x-[a-z0-9-]{1,12}$/)
    const value = fc.stringMatching(/^[!-~]([ -~]{0,60}[!-~])?$/)
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(name, value),
        fc.uint8Array({ maxLength: 150_000, size: 'max' }),
        async (headers, body) => {
          const stream = session.request({ ':method': 'POST', ':path': '/a/b', ...headers })
          stream.end(body)
          const { body: back, trailers } = await answered(stream)
          expect(back.equals(body)).toBe(true)
          expect(trailers['done']).toBe('yes')
          expect(streams.at(-1)?.headers).toMatchObject({ ':path': '/a/b', ...headers })
        },
      ),
      { numRuns: 25 },
    )
  })

  it('takes headers that go on in further frames', async () => {
    const long = 'q'.repeat(40_000)
    const stream = client().request({ ':method': 'POST', ':path': '/', long })
    stream.end()
    await answered(stream)
    expect(streams[0]?.headers['long']).toBe(long)
  })

  it('refuses calls beyond the bound, and takes others again when some are done', async () => {
    const waiting: ServerStream[] = []
    serve = (stream) => waiting.push(stream)
    const peer = rawPeer().greet()
    for (const id of [1, 3, 5, 7, 9]) peer.open(id)
    expect(await peer.reset(9)).toBe(errorCodes.REFUSED_STREAM)
    waiting[0]?.respond(OK, true)
    peer.open(11)
    await until('the next call', () => waiting.length === 5)
  })

  it('lets calls end when it closes, takes no more, and then ends', async () => {
    let held: ServerStream | undefined
    serve = (stream) => (held = stream)
    const session = client()
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    stream.end()
    let told = false
    session.on('goaway', () => (told = true))
    await until('the call', () => held !== undefined)
    connections[0]?.close()
    await until('the word of it', () => told)
    held?.answer(OK, Buffer.from('late'), END)
    expect((await answered(stream)).body.toString()).toBe('late')
    await until('the end of the connection', () => connections.length === 0)
  })

  it('tells a call that its client has given up', async () => {
    let closed = 0
    serve = (stream) => {
      stream.listener = {
        data: () => undefined,
        ended: () => undefined,
        drained: () => undefined,
        closed: () => closed++,
      }
    }
    const session = client()
    const stream = session.request({ ':method': 'POST', ':path': '/' })
    await until('the call', () => streams.length === 1)
    stream.close(errorCodes.CANCEL)
    await until('the word of it', () => closed === 1)
    session.request({ ':method': 'POST', ':path': '/' })
    await until('the call', () => streams.length === 2)
    session.destroy()
    await until('the word of it', () => closed === 2)
  })
})

describe('windows', () => {
  it('bound what a call sends, and let it go on', async () => {
    serve = (stream) => stream.answer(OK, Buffer.alloc(100, 'x'), END)
    const peer = rawPeer().greet(setting(settings.INITIAL_WINDOW_SIZE, 10))
    peer.open(1)
    await until('the first bytes', () => peer.dataBytes(1) === 10)
    peer.send(frameTypes.WINDOW_UPDATE, 0, 1, uint32(15))
    await until('more', () => peer.dataBytes(1) === 25)
    peer.send(frameTypes.SETTINGS, 0, 0, setting(settings.INITIAL_WINDOW_SIZE, 50))
    await until('more still', () => peer.dataBytes(1) === 65)
    peer.send(frameTypes.WINDOW_UPDATE, 0, 1, uint32(1000))
    await until('all', () => peer.frames.at(-1)?.type === frameTypes.HEADERS)
    expect(peer.dataBytes(1)).toBe(100)
  })

  it('of the connection are shared by its calls', async () => {
    serve = (stream) => stream.answer(OK, Buffer.alloc(60_000, 'x'), END)
    const peer = rawPeer().greet(setting(settings.INITIAL_WINDOW_SIZE, 1_000_000))
    peer.open(1).open(3)
    const sent = () => peer.dataBytes(1) + peer.dataBytes(3)
    await until('a full window', () => sent() === 65_535)
    peer.send(frameTypes.WINDOW_UPDATE, 0, 0, uint32(100_000))
    await until('the rest', () => sent() === 120_000)
  })

  it('that a peer overruns cost it the call, or the connection', async () => {
    serve = () => undefined
    const data = Buffer.alloc(16_384)
    const peer = rawPeer().greet().open(1, false)
    for (let i = 0; i < 5; i++) peer.send(frameTypes.DATA, 0, 1, data)
    expect(await peer.reset(1)).toBe(errorCodes.FLOW_CONTROL_ERROR)
    peer.send(frameTypes.WINDOW_UPDATE, 0, 0, uint32(0x7fffffff))
    expect(await peer.cut()).toBe(errorCodes.FLOW_CONTROL_ERROR)
  })

  it('of requests are opened again only as they are used up', async () => {
    serve = () => undefined
    const peer = rawPeer().greet().open(1, false)
    const granted = () =>
      peer.frames.filter(({ type, stream }) => type === frameTypes.WINDOW_UPDATE && stream === 1).length
    for (let i = 0; i < 3; i++) peer.send(frameTypes.DATA, 0, 1, Buffer.alloc(16_384))
    peer.send(frameTypes.PING, 0, 0, Buffer.from('12345678'))
    await until('an answer', () =>
      peer.frames.some(({ type, flag }) => type === frameTypes.PING && flag === flags.ACK),
    )
    expect(granted()).toBe(0)
    streams[0]?.consumed(3 * 16_384)
    await until('the word of it', () => granted() === 1)
  })
})

describe('a peer', () => {
  it('may pad what it sends', async () => {
    const peer = rawPeer().greet()
    const padded = (payload: Buffer): Buffer => Buffer.concat([Buffer.from([7]), payload, Buffer.alloc(7)])
    const priority = Buffer.alloc(5)
    const headers = padded(Buffer.concat([priority, REQUEST]))
    peer.send(frameTypes.HEADERS, flags.END_HEADERS | flags.PADDED | flags.PRIORITY, 1, headers)
    peer.send(frameTypes.DATA, flags.PADDED | flags.END_STREAM, 1, padded(Buffer.from('hello')))
    await until('the end', () => peer.frames.filter(({ type }) => type === frameTypes.HEADERS).length === 2)
    const data = peer.frames.filter(({ type }) => type === frameTypes.DATA)
    expect(Buffer.concat(data.map(({ payload }) => payload)).toString()).toBe('hello')
  })

  it('may send in pieces of any size', async () => {
    const whole = rawPeer()
    const pieces = Buffer.concat([
      PREFACE,
      Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0]),
      Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]),
      Buffer.from('pingping'),
    ])
    whole.socket.setNoDelay(true)
    for (const byte of pieces) {
      whole.socket.write(Buffer.from([byte]))
      await new Promise((resolve) => setImmediate(resolve))
    }
    await until('an answer', () => whole.frames.some(({ payload }) => payload.toString() === 'pingping'))
  })

  it.each<[string, (peer: RawPeer) => void, number]>([
    [
      'sends too large a frame',
      (peer) => peer.greet().send(frameTypes.DATA, 0, 1, Buffer.alloc(16_385)),
      errorCodes.FRAME_SIZE_ERROR,
    ],
    [
      'sends data of a call that has not begun',
      (peer) => peer.greet().send(frameTypes.DATA, 0, 1, Buffer.alloc(1)),
      errorCodes.PROTOCOL_ERROR,
    ],
    [
      'begins with something else than settings',
      (peer) => {
        peer.socket.write(PREFACE)
        peer.open(1)
      },
      errorCodes.PROTOCOL_ERROR,
    ],
    ['opens a call with an even number', (peer) => peer.greet().open(2), errorCodes.PROTOCOL_ERROR],
    [
      'interrupts a header block',
      (peer) => peer.greet().send(frameTypes.HEADERS, 0, 1, Buffer.alloc(0)).open(3),
      errorCodes.PROTOCOL_ERROR,
    ],
    [
      'sends headers without an end',
      (peer) => {
        peer.greet().send(frameTypes.HEADERS, 0, 1, Buffer.alloc(0))
        for (let i = 0; i < 8000; i++) peer.send(frameTypes.CONTINUATION, 0, 1, Buffer.alloc(0))
      },
      errorCodes.ENHANCE_YOUR_CALM,
    ],
    [
      'sends headers that are none',
      (peer) =>
        peer
          .greet()
          .send(
            frameTypes.HEADERS,
            flags.END_HEADERS,
            1,
            Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
          ),
      errorCodes.COMPRESSION_ERROR,
    ],
    ['sends settings of a strange size', (peer) => peer.greet(Buffer.alloc(5)), errorCodes.FRAME_SIZE_ERROR],
    [
      'pads more than there is',
      (peer) =>
        peer
          .greet()
          .open(1, false)
          .send(frameTypes.DATA, flags.PADDED, 1, Buffer.from([9, 1])),
      errorCodes.PROTOCOL_ERROR,
    ],
    [
      'pushes',
      (peer) => peer.greet().send(frameTypes.PUSH_PROMISE, 0, 1, Buffer.alloc(4)),
      errorCodes.PROTOCOL_ERROR,
    ],
  ])('that %s is cut off', async (_, act, code) => {
    const peer = rawPeer()
    act(peer)
    expect(await peer.cut()).toBe(code)
  })

  it('that speaks another protocol is cut off at once', async () => {
    const peer = rawPeer()
    peer.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n')
    await peer.cut()
    await until('nothing left', () => connections.length === 0)
  })

  it('that asks and does not read is cut off, within the bound', async () => {
    const peer = rawPeer()
    peer.socket.pause()
    peer.greet()
    await until('the connection', () => connections.length === 1)
    const ping = Buffer.alloc(17 * 1000)
    for (let i = 0; i < 1000; i++) Buffer.from([0, 0, 8, 6, 0, 0, 0, 0, 0]).copy(ping, 17 * i)
    await until('the end of the connection', () => {
      if (!peer.socket.destroyed) for (let i = 0; i < 20; i++) peer.socket.write(ping)
      return connections.length === 0
    })
  })
})
