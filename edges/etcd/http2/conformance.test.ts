import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { until } from '../../testing/until.ts'
import { RawPeer, REQUEST, setting, uint32 } from '../testing/raw_peer.ts'
import { Budget } from './budget.ts'
import { Connection } from './connection.ts'
import { headerBlock } from './hpack.ts'
import { errorCodes, flags, frameTypes, PREFACE, settings } from './protocol.ts'
import type { ServerStream } from './stream.ts'

const limits = {
  streamsMax: 64,
  windowBytes: 1 << 16,
  connectionWindowBytes: 1 << 18,
  waitingBytesMax: 1 << 20,
}
const {
  DATA,
  HEADERS,
  PRIORITY,
  RST_STREAM,
  SETTINGS,
  PUSH_PROMISE,
  PING,
  GOAWAY,
  WINDOW_UPDATE,
  CONTINUATION,
} = frameTypes
const { END_STREAM, END_HEADERS, ACK, PADDED } = flags
const NONE = Buffer.alloc(0)
const ONE = Buffer.alloc(1)
const OK = headerBlock({ ':status': '200' })
const END = headerBlock({ done: 'yes' })

let server: Server
let port: number

/** Answers when the request is over; calls of `/held` never. */
function serve(stream: ServerStream): void {
  stream.listener = {
    data: (chunk) => stream.consumed(chunk.length),
    ended: () => {
      if (stream.headers[':path'] !== '/held') stream.answer(OK, Buffer.from('hello'), END)
    },
    closed: () => undefined,
    drained: () => undefined,
  }
}

beforeAll(async () => {
  const budget = new Budget(1 << 24)
  server = createServer(
    (socket) => new Connection(socket, limits, { opened: serve, closed: () => undefined, budget }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterAll(() => new Promise((resolve) => server.close(resolve)))

async function withPeer(act: (peer: RawPeer) => Promise<void>): Promise<void> {
  const peer = new RawPeer(port)
  try {
    await act(peer)
  } finally {
    peer.socket.destroy()
  }
}

const head = (fields: Record<string, string>): Buffer => headerBlock(fields)
const request = (more: Record<string, string> = {}): Buffer =>
  headerBlock({ ':method': 'POST', ':scheme': 'http', ':path': '/', ...more })
const held = request({ ':path': '/held' })

/** A call that is answered, and over on both sides. */
function over(peer: RawPeer): RawPeer {
  return peer.greet().open(1)
}

type Case = [what: string, act: (peer: RawPeer) => unknown]

describe.each<[code: keyof typeof errorCodes, cases: Case[]]>([
  [
    'PROTOCOL_ERROR',
    [
      [
        'settings that begin with an acknowledgement',
        (p) => p.socket.write(PREFACE) && p.send(SETTINGS, ACK, 0, NONE),
      ],
      ['a ping before settings', (p) => p.socket.write(PREFACE) && p.send(PING, 0, 0, Buffer.alloc(8))],
      ['settings of a call', (p) => p.greet().send(SETTINGS, 0, 1, NONE)],
      ['pushes enabled with 2', (p) => p.greet(setting(settings.ENABLE_PUSH, 2))],
      ['frames of 16383 bytes', (p) => p.greet(setting(settings.MAX_FRAME_SIZE, 16_383))],
      ['frames of 16777216 bytes', (p) => p.greet(setting(settings.MAX_FRAME_SIZE, 1 << 24))],
      ['data of no call', (p) => p.greet().send(DATA, 0, 0, ONE)],
      ['data of an idle call', (p) => p.greet().send(DATA, 0, 1, ONE)],
      ['data of an even call', (p) => p.greet().open(5).send(DATA, 0, 2, ONE)],
      ['headers of no call', (p) => p.greet().send(HEADERS, END_HEADERS, 0, REQUEST)],
      ['headers of an even call', (p) => p.greet().open(2)],
      [
        'data with more padding than frame',
        (p) =>
          p
            .greet()
            .open(1, false)
            .send(DATA, PADDED, 1, Buffer.from([1])),
      ],
      [
        'headers with more padding than frame',
        (p) => p.greet().send(HEADERS, END_HEADERS | PADDED, 1, Buffer.from([2, 0])),
      ],
      ['a priority of no call', (p) => p.greet().send(PRIORITY, 0, 0, Buffer.alloc(5))],
      ['a reset of no call', (p) => p.greet().send(RST_STREAM, 0, 0, uint32(8))],
      ['a reset of an idle call', (p) => p.greet().send(RST_STREAM, 0, 1, uint32(8))],
      [
        'a push',
        (p) =>
          p
            .greet()
            .open(1, false)
            .send(PUSH_PROMISE, END_HEADERS, 1, Buffer.concat([uint32(2), REQUEST])),
      ],
      ['a ping of a call', (p) => p.greet().send(PING, 0, 1, Buffer.alloc(8))],
      ['going away of a call', (p) => p.greet().send(GOAWAY, 0, 1, Buffer.alloc(8))],
      ['a window update by 0', (p) => p.greet().send(WINDOW_UPDATE, 0, 0, uint32(0))],
      ['a window update of an idle call', (p) => p.greet().send(WINDOW_UPDATE, 0, 1, uint32(1))],
      ['a continuation of nothing', (p) => p.greet().send(CONTINUATION, END_HEADERS, 1, REQUEST)],
      [
        'a continuation after the end of headers',
        (p) => p.greet().open(1, false).send(CONTINUATION, END_HEADERS, 1, NONE),
      ],
      [
        'a continuation of another call',
        (p) => p.greet().send(HEADERS, 0, 1, NONE).send(CONTINUATION, END_HEADERS, 3, REQUEST),
      ],
      ['data within a header block', (p) => p.greet().send(HEADERS, 0, 1, NONE).send(DATA, 0, 1, ONE)],
      [
        'a ping within a header block',
        (p) => p.greet().send(HEADERS, 0, 1, NONE).send(PING, 0, 0, Buffer.alloc(8)),
      ],
      [
        'an unknown frame within a header block',
        (p) => p.greet().send(HEADERS, 0, 1, NONE).send(0xbb, 0, 1, ONE),
      ],
    ],
  ],
  [
    'FRAME_SIZE_ERROR',
    [
      ['a frame of 16385 bytes', (p) => p.greet().open(1, false).send(DATA, 0, 1, Buffer.alloc(16_385))],
      ['an unknown frame of 16385 bytes', (p) => p.greet().send(0xbb, 0, 0, Buffer.alloc(16_385))],
      ['settings of 5 bytes', (p) => p.greet(Buffer.alloc(5))],
      [
        'an acknowledgement with settings',
        (p) => p.greet().send(SETTINGS, ACK, 0, setting(settings.ENABLE_PUSH, 0)),
      ],
      ['a ping of 7 bytes', (p) => p.greet().send(PING, 0, 0, Buffer.alloc(7))],
      ['a window update of 3 bytes', (p) => p.greet().send(WINDOW_UPDATE, 0, 0, Buffer.alloc(3))],
      ['a reset of 3 bytes', (p) => p.greet().open(1, false).send(RST_STREAM, 0, 1, Buffer.alloc(3))],
      ['a priority of 4 bytes', (p) => p.greet().send(PRIORITY, 0, 1, Buffer.alloc(4))],
      ['going away of 7 bytes', (p) => p.greet().send(GOAWAY, 0, 0, Buffer.alloc(7))],
      ['padding without its length', (p) => p.greet().open(1, false).send(DATA, PADDED, 1, NONE)],
      [
        'headers too short for their priority',
        (p) => p.greet().send(HEADERS, END_HEADERS | flags.PRIORITY, 1, Buffer.alloc(4)),
      ],
    ],
  ],
  [
    'FLOW_CONTROL_ERROR',
    [
      ['a first window of 2 GiB', (p) => p.greet(setting(settings.INITIAL_WINDOW_SIZE, 2 ** 31))],
      [
        'a window of the connection above 2 GiB',
        (p) => p.greet().send(WINDOW_UPDATE, 0, 0, uint32(2 ** 31 - 1)),
      ],
      [
        'settings that make the window of a call too large',
        (p) =>
          p
            .greet()
            .open(1, false)
            .send(WINDOW_UPDATE, 0, 1, uint32(2 ** 31 - 1 - 65_535))
            .send(SETTINGS, 0, 0, setting(settings.INITIAL_WINDOW_SIZE, 65_536)),
      ],
    ],
  ],
  [
    'STREAM_CLOSED',
    [
      ['data of a call that is over', (p) => over(p).send(DATA, END_STREAM, 1, ONE)],
      ['headers of a call that is over', (p) => over(p).open(1)],
      ['headers of a call that was left out', (p) => p.greet().open(5).open(3)],
      [
        'data after a reset',
        (p) => p.greet().open(1, false).send(RST_STREAM, 0, 1, uint32(8)).send(DATA, 0, 1, ONE),
      ],
      ['headers after a reset', (p) => p.greet().open(1, false).send(RST_STREAM, 0, 1, uint32(8)).open(1)],
    ],
  ],
  [
    'COMPRESSION_ERROR',
    [
      ['index 0', (p) => p.greet().send(HEADERS, END_HEADERS, 1, Buffer.from([0x80]))],
      ['index 62 of an empty table', (p) => p.greet().send(HEADERS, END_HEADERS, 1, Buffer.from([0xbe]))],
      [
        'a new size of the table after a header',
        (p) => p.greet().send(HEADERS, END_HEADERS, 1, Buffer.concat([REQUEST, Buffer.from([0x20])])),
      ],
      [
        'a table above 4096 bytes',
        (p) => p.greet().send(HEADERS, END_HEADERS, 1, Buffer.from([0x3f, 0xe2, 0x1f])),
      ],
      [
        'a block that is cut short',
        (p) => p.greet().send(HEADERS, END_HEADERS, 1, Buffer.from([0x00, 0x05, 0x61])),
      ],
      [
        'a broken block of a call that is refused',
        (p) =>
          p
            .greet()
            .open(1)
            .send(HEADERS, END_HEADERS, 1, Buffer.from([0x80])),
      ],
    ],
  ],
  [
    'ENHANCE_YOUR_CALM',
    [
      [
        'headers without an end',
        (p) => {
          p.greet().send(HEADERS, 0, 1, NONE)
          for (let i = 0; i < 1100; i++) p.send(CONTINUATION, 0, 1, NONE)
        },
      ],
      ['pings', (p) => flood(p.greet(), 100_000, PING, 0, 0, Buffer.alloc(8))],
      ['acknowledgements', (p) => flood(p.greet(), 100_000, SETTINGS, ACK, 0, NONE)],
      ['settings', (p) => flood(p.greet(), 30_000, SETTINGS, 0, 0, NONE)],
      ['data without data', (p) => flood(p.greet().open(1, false), 100_000, DATA, 0, 1, NONE)],
      ['unknown frames', (p) => flood(p.greet(), 100_000, 0xbb, 0, 0, NONE)],
      [
        'calls that are reset',
        (p) => {
          p.greet()
          p.socket.cork()
          for (let id = 1; id < 40_000; id += 2) p.open(id, false).send(RST_STREAM, 0, id, uint32(8))
          p.socket.uncork()
        },
      ],
    ],
  ],
])('the connection ends with %s for', (code, cases) => {
  it.each(cases)('%s', async (_, act) => {
    await withPeer(async (peer) => {
      act(peer)
      expect(await peer.cut()).toBe(errorCodes[code])
    })
  })
})

function flood(
  peer: RawPeer,
  count: number,
  type: number,
  flag: number,
  stream: number,
  payload: Buffer,
): void {
  peer.socket.cork()
  for (let i = 0; i < count; i++) peer.send(type, flag, stream, payload)
  peer.socket.uncork()
}

const field = (name: string, value: string): Buffer =>
  Buffer.concat([
    Buffer.from([0, name.length]),
    Buffer.from(name, 'latin1'),
    Buffer.from([value.length]),
    Buffer.from(value, 'latin1'),
  ])
const withField = (name: string, value: string): Buffer => Buffer.concat([request(), field(name, value)])
const opened = (peer: RawPeer, block: Buffer): RawPeer =>
  peer.greet().send(HEADERS, END_HEADERS | END_STREAM, 1, block)

describe.each<[code: keyof typeof errorCodes, cases: Case[]]>([
  [
    'PROTOCOL_ERROR',
    [
      ['no method', (p) => opened(p, head({ ':scheme': 'http', ':path': '/' }))],
      ['no scheme', (p) => opened(p, head({ ':method': 'POST', ':path': '/' }))],
      ['no path', (p) => opened(p, head({ ':method': 'POST', ':scheme': 'http' }))],
      ['an empty path', (p) => opened(p, request({ ':path': '' }))],
      ['a method twice', (p) => opened(p, Buffer.concat([head({ ':method': 'POST' }), REQUEST]))],
      ['a status', (p) => opened(p, Buffer.concat([head({ ':status': '200' }), REQUEST]))],
      ['an unknown pseudo-header', (p) => opened(p, Buffer.concat([field(':x', 'y'), REQUEST]))],
      ['a pseudo-header after others', (p) => opened(p, Buffer.concat([field('x', 'y'), REQUEST]))],
      ['nothing', (p) => opened(p, NONE)],
      ['a name in upper case', (p) => opened(p, withField('Xy', 'z'))],
      ['an empty name', (p) => opened(p, withField('', 'z'))],
      ['a name with a space', (p) => opened(p, withField('x y', 'z'))],
      ['a name above ASCII', (p) => opened(p, withField('x\xe4', 'z'))],
      ['a value with a line feed', (p) => opened(p, withField('x', 'a\nb'))],
      ['a value with a zero byte', (p) => opened(p, withField('x', 'a\0b'))],
      ['a value that begins with a space', (p) => opened(p, withField('x', ' a'))],
      ['connection', (p) => opened(p, withField('connection', 'close'))],
      ['keep-alive', (p) => opened(p, withField('keep-alive', 'x'))],
      ['proxy-connection', (p) => opened(p, withField('proxy-connection', 'x'))],
      ['upgrade', (p) => opened(p, withField('upgrade', 'x'))],
      ['transfer-encoding', (p) => opened(p, withField('transfer-encoding', 'chunked'))],
      [
        'transfer-encoding from the static table',
        (p) => opened(p, Buffer.concat([request(), Buffer.from([0x80 | 57])])),
      ],
      ['te other than trailers', (p) => opened(p, withField('te', 'gzip'))],
      ['a content-length of words', (p) => opened(p, withField('content-length', 'x'))],
      [
        'two content-lengths',
        (p) => opened(p, Buffer.concat([withField('content-length', '0'), field('content-length', '0')])),
      ],
      ['a content-length without data', (p) => opened(p, withField('content-length', '1'))],
      [
        'more data than its content-length',
        (p) =>
          p
            .greet()
            .send(HEADERS, END_HEADERS, 1, withField('content-length', '1'))
            .send(DATA, 0, 1, Buffer.alloc(2)),
      ],
      [
        'less data than its content-length',
        (p) =>
          p
            .greet()
            .send(HEADERS, END_HEADERS, 1, withField('content-length', '2'))
            .send(DATA, END_STREAM, 1, ONE),
      ],
      ['headers again that do not end it', (p) => p.greet().open(1, false).open(1, false)],
      ['trailers with a pseudo-header', (p) => p.greet().open(1, false).open(1, true)],
      ['a window update by 0', (p) => p.greet().open(1, false).send(WINDOW_UPDATE, 0, 1, uint32(0))],
    ],
  ],
  [
    'STREAM_CLOSED',
    [
      ['data after its end', (p) => opened(p, held).send(DATA, 0, 1, ONE)],
      [
        'headers after its end',
        (p) => opened(p, held).send(HEADERS, END_HEADERS | END_STREAM, 1, field('x', 'y')),
      ],
    ],
  ],
  [
    'FLOW_CONTROL_ERROR',
    [
      [
        'a window above 2 GiB',
        (p) =>
          p
            .greet()
            .open(1, false)
            .send(WINDOW_UPDATE, 0, 1, uint32(2 ** 31 - 1)),
      ],
    ],
  ],
])('a call alone ends with %s for', (code, cases) => {
  it.each(cases)('%s', async (_, act) => {
    await withPeer(async (peer) => {
      act(peer)
      expect(await peer.reset(1)).toBe(errorCodes[code])
      peer.open(3)
      await until('an answer to another', () => peer.dataBytes(3) === 5)
      expect(peer.closed).toBe(false)
    })
  })
})

it.each<Case>([
  [
    'a priority, also of an idle call or of itself',
    (p) => p.send(PRIORITY, 0, 9, Buffer.from([0, 0, 0, 9, 1])),
  ],
  ['an unknown frame', (p) => p.send(0xbb, 0xff, 7, Buffer.alloc(100))],
  ['unknown flags', (p) => p.send(PING, 0xfe, 0, Buffer.alloc(8))],
  ['unknown settings', (p) => p.send(SETTINGS, 0, 0, setting(0xbbbb, 1))],
  ['going away', (p) => p.send(GOAWAY, 0, 0, Buffer.alloc(20))],
  ['the answer to a ping that nobody sent', (p) => p.send(PING, ACK, 0, Buffer.alloc(8))],
  ['a window update of a call that is over', (p) => p.open(1).send(WINDOW_UPDATE, 0, 1, uint32(5))],
  ['a reset of a call that is over', (p) => p.open(1).send(RST_STREAM, 0, 1, uint32(8))],
  ['trailers', (p) => p.open(1, false).send(HEADERS, END_HEADERS | END_STREAM, 1, field('x', 'y'))],
  ['the reserved bit', (p) => p.send(PING, 0, 2 ** 31, Buffer.alloc(8))],
  [
    'te: trailers and a value above ASCII',
    (p) =>
      p.send(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        Buffer.concat([withField('te', 'trailers'), field('x', '\xe4')]),
      ),
  ],
  [
    'never-indexed headers',
    (p) =>
      p.send(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        Buffer.concat([REQUEST, Buffer.from([0x10, 1, 0x61, 1, 0x62])]),
      ),
  ],
  [
    'CONNECT',
    (p) => p.send(HEADERS, END_HEADERS | END_STREAM, 1, head({ ':method': 'CONNECT', ':authority': 'x' })),
  ],
  [
    'two new sizes of the table at once',
    (p) =>
      p.send(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        Buffer.concat([Buffer.from([0x20, 0x3f, 0xe1, 0x1f]), REQUEST]),
      ),
  ],
])('nothing is said against %s', async (_, act) => {
  await withPeer(async (peer) => {
    act(peer.greet())
    peer.open(11)
    await until('an answer', () => peer.dataBytes(11) === 5)
    expect(peer.closed).toBe(false)
    const said = peer.frames.filter(({ type }) => type === RST_STREAM || type === GOAWAY)
    expect(said).toEqual([])
  })
})

it('what was on its way for a call that this side ended early is no offence', async () => {
  await withPeer(async (peer) => {
    peer.greet().send(HEADERS, END_HEADERS, 1, REQUEST)
    for (let i = 0; i < 5; i++) peer.send(DATA, 0, 1, Buffer.alloc(0))
    peer.send(HEADERS, END_HEADERS, 1, Buffer.concat([field('x', 'y')]))
    expect(await peer.reset(1)).toBe(errorCodes.PROTOCOL_ERROR)
    peer.send(DATA, 0, 1, ONE).send(WINDOW_UPDATE, 0, 1, uint32(1)).send(DATA, END_STREAM, 1, ONE)
    await peer.answered()
    peer.send(DATA, END_STREAM, 1, ONE)
    expect(await peer.cut()).toBe(errorCodes.STREAM_CLOSED)
  })
})

it('a smaller table of the peer is acknowledged in the next header block', async () => {
  await withPeer(async (peer) => {
    peer.greet(setting(settings.HEADER_TABLE_SIZE, 0)).open(1).open(3)
    await until('answers', () => peer.frames.filter(({ type }) => type === HEADERS).length === 4)
    const blocks = peer.frames.filter(({ type }) => type === HEADERS).map(({ payload }) => payload)
    expect(blocks).toEqual([Buffer.concat([Buffer.from([0x20]), OK]), END, OK, END])
  })
})

it('a window that shrinks below nothing holds data back until it is more again', async () => {
  await withPeer(async (peer) => {
    peer.greet(setting(settings.INITIAL_WINDOW_SIZE, 3)).open(1)
    await until('the first bytes', () => peer.dataBytes(1) === 3)
    peer.send(SETTINGS, 0, 0, setting(settings.INITIAL_WINDOW_SIZE, 0))
    peer.send(WINDOW_UPDATE, 0, 1, uint32(3))
    await peer.answered()
    expect(peer.dataBytes(1)).toBe(3)
    peer.send(WINDOW_UPDATE, 0, 1, uint32(1))
    await until('one more', () => peer.dataBytes(1) === 4)
  })
})
