import { connect as connectHttp2 } from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { until } from '../../testing/until.ts'
import { RawPeer, REQUEST, rawFrame, setting, uint32 } from '../testing/raw_peer.ts'
import { Budget } from './budget.ts'
import { Connection } from './connection.ts'
import { headerBlock } from './hpack.ts'
import { errorCodes, flags, frameTypes, PREFACE, settings } from './protocol.ts'
import type { ServerStream } from './stream.ts'

const limits = {
  streamsMax: 8,
  windowBytes: 1 << 16,
  connectionWindowBytes: 1 << 18,
  waitingBytesMax: 1 << 20,
}
const OK = headerBlock({ ':status': '200' })
const END = headerBlock({ done: 'yes' })
const budget = new Budget(1 << 22)
const known: ReadonlySet<number> = new Set(Object.values(errorCodes))

let server: Server
let port: number
let opened = 0
let closed = 0
let connections = 0

/** Echoes; what comes first is also kept for a while. */
function serve(stream: ServerStream): void {
  opened += 1
  stream.respond(OK, false)
  stream.listener = {
    data: (chunk) => {
      stream.hold(chunk.length)
      stream.write(Buffer.from(chunk))
      stream.write(Buffer.alloc(1000))
      stream.consumed(chunk.length)
    },
    ended: () => setImmediate(() => stream.end(END)),
    closed: () => (closed += 1),
    drained: () => undefined,
  }
}

beforeAll(async () => {
  server = createServer((socket) => {
    connections += 1
    const ports = { opened: serve, closed: () => (connections -= 1), budget }
    return new Connection(socket, limits, ports)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterAll(() => new Promise((resolve) => server.close(resolve)))

const id = fc.oneof(fc.constantFrom(0, 1, 3, 5, 7, 9, 2), fc.integer({ min: 0, max: 2 ** 31 - 1 }))
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each))
const long = fc.integer({ min: 0, max: 16_384 }).map((length) => Buffer.alloc(length, 'x'))
const flag = fc.constantFrom(0, 1, 4, 5, 8, 9, 12, 13, 0x20, 0x25, 0x2d, 0xff)
const block = fc.oneof(
  { weight: 4, arbitrary: fc.constant(REQUEST) },
  {
    weight: 2,
    arbitrary: fc.dictionary(fc.string({ maxLength: 8 }), fc.string({ maxLength: 20 })).map(headerBlock),
  },
  { weight: 1, arbitrary: bytes },
  { weight: 1, arbitrary: bytes.map((each) => Buffer.concat([REQUEST, each])) },
)
const window = fc.oneof(fc.constantFrom(0, 1, 2 ** 31 - 1, 2 ** 32 - 1), fc.nat(100_000))
const ownSettings = fc
  .array(fc.tuple(fc.integer({ min: 0, max: 7 }), window), { maxLength: 4 })
  .map((each) => Buffer.concat(each.map(([name, value]) => setting(name, value))))

const calls = fc
  .tuple(fc.constantFrom(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21), block, long, fc.boolean())
  .map(([at, head, data, last]) =>
    Buffer.concat([
      rawFrame(frameTypes.HEADERS, flags.END_HEADERS, at, head),
      rawFrame(frameTypes.DATA, last ? flags.END_STREAM : 0, at, data),
    ]),
  )
const frames = fc.oneof(
  { weight: 6, arbitrary: calls },
  {
    weight: 3,
    arbitrary: fc
      .tuple(flag, id, block)
      .map(([f, at, payload]) => rawFrame(frameTypes.HEADERS, f, at, payload)),
  },
  {
    weight: 3,
    arbitrary: fc
      .tuple(flag, id, fc.oneof(bytes, long))
      .map(([f, at, payload]) => rawFrame(frameTypes.DATA, f, at, payload)),
  },
  {
    weight: 2,
    arbitrary: fc.tuple(id, window).map(([at, by]) => rawFrame(frameTypes.WINDOW_UPDATE, 0, at, uint32(by))),
  },
  { weight: 2, arbitrary: ownSettings.map((payload) => rawFrame(frameTypes.SETTINGS, 0, 0, payload)) },
  { weight: 2, arbitrary: id.map((at) => rawFrame(frameTypes.RST_STREAM, 0, at, uint32(errorCodes.CANCEL))) },
  {
    weight: 1,
    arbitrary: fc
      .tuple(flag, id, block)
      .map(([f, at, payload]) => rawFrame(frameTypes.CONTINUATION, f, at, payload)),
  },
  {
    weight: 1,
    arbitrary: fc
      .tuple(fc.nat(255), flag, id, bytes)
      .map(([type, f, at, payload]) => rawFrame(type, f, at, payload.subarray(0, 300))),
  },
)
/** A byte that is another one, somewhere; mostly none. */
const mutations = fc.array(fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(255)), {
  maxLength: 3,
})
const conversation = fc
  .tuple(ownSettings, fc.array(frames, { maxLength: 30 }), fc.oneof(fc.constant([]), mutations), fc.boolean())
  .map(([own, each, mutated, valid]) => {
    const first = valid ? setting(settings.INITIAL_WINDOW_SIZE, 100) : own
    const whole = Buffer.concat([PREFACE, rawFrame(frameTypes.SETTINGS, 0, 0, first), ...each])
    for (const [at, byte] of mutated)
      whole[PREFACE.length + Math.floor(at * (whole.length - PREFACE.length - 1))] = byte
    return whole
  })

it('whatever a peer sends, it is answered or cut off with a reason, leaves nothing behind, and others are served', async () => {
  const other = connectHttp2(`http://127.0.0.1:${port}`)
  try {
    await fc.assert(
      fc.asyncProperty(conversation, fc.array(fc.nat(5000), { maxLength: 5 }), async (whole, cuts) => {
        const peer = new RawPeer(port)
        let at = 0
        for (const cut of cuts) {
          peer.socket.write(whole.subarray(at, at + cut))
          at = Math.min(whole.length, at + cut)
          await new Promise((resolve) => setImmediate(resolve))
        }
        peer.socket.end(whole.subarray(at))
        await until('the end', () => peer.closed)
        const said = peer.frames.filter(({ type }) => type === frameTypes.GOAWAY)
        expect(said.length).toBeLessThanOrEqual(1)
        for (const { payload } of said) {
          expect(known).toContain(payload.readUInt32BE(4))
          expect(payload.readUInt32BE(4)).not.toBe(errorCodes.INTERNAL_ERROR)
        }
        const status = await new Promise((resolve) => {
          const stream = other.request({ ':method': 'POST', ':path': '/' })
          stream.on('response', (headers) => resolve(headers[':status']))
          stream.on('error', resolve)
          stream.resume()
          stream.end('x')
        })
        expect(status).toBe(200)
        await until('nothing left', () => connections === 1 && opened === closed && budget.held === 0)
      }),
      { numRuns: 300 },
    )
  } finally {
    other.destroy()
  }
}, 60_000)
