import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import {
  connect as connectHttp2,
  createServer as createHttp2Server,
  type IncomingHttpHeaders,
  type ServerHttp2Stream,
} from 'node:http2'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { runTool } from '../../testing/run_tool.ts'
import { until } from '../../testing/until.ts'
import { RawPeer, REQUEST, rawFrame, setting, uint32 } from '../testing/raw_peer.ts'
import { Budget } from './budget.ts'
import { Connection } from './connection.ts'
import { headerBlock } from './hpack.ts'
import { flags, frameTypes, PREFACE, settings } from './protocol.ts'
import type { ServerStream } from './stream.ts'

const limits = {
  streamsMax: 128,
  windowBytes: 1 << 16,
  connectionWindowBytes: 1 << 18,
  waitingBytesMax: 1 << 24,
}
const OK = headerBlock({ ':status': '200', 'x-long': 'y'.repeat(200) })
const END = headerBlock({ done: 'yes' })
const BODY_BYTES = 100_000

let server: Server
let url: string
let port: number
let seen: readonly ServerStream[] = []
let directory: string
let body: string

function echo(stream: ServerStream): void {
  seen = [...seen.slice(-9), stream]
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

beforeAll(async () => {
  const budget = new Budget(1 << 26)
  server = createServer(
    (socket) => new Connection(socket, limits, { opened: echo, closed: () => undefined, budget }),
  )
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
  url = `http://127.0.0.1:${port}/`
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-http2-'))
  body = join(directory, 'body')
  await writeFile(body, Buffer.alloc(BODY_BYTES, 'z'))
})

afterAll(async () => {
  await rm(directory, { recursive: true, force: true })
  await new Promise((resolve) => server.close(resolve))
})

it('curl gets back what it sends', async () => {
  const { code, stdout, stderr } = await runTool('curl', [
    '-sS',
    '--http2-prior-knowledge',
    '--data-binary',
    `@${body}`,
    url,
  ])
  expect([code, stderr, stdout.length]).toEqual([0, '', BODY_BYTES])
})

it.each([
  ['as it is', []],
  ['without a table', ['--header-table-size=0']],
  [
    'with a table that grows and shrinks',
    ['--header-table-size=0', '--header-table-size=4096', '--header-table-size=100'],
  ],
  ['with padding', ['-b', '200']],
  ['with small windows', ['-w', '4', '-W', '10']],
  ['with continued headers', ['--continuation']],
  ['with trailers', ['--trailer', 'x: y']],
])('nghttp %s finds nothing wrong', async (_, options) => {
  const { code, stdout } = await runTool('nghttp', ['-v', '-d', body, ...options, url])
  expect(code).toBe(0)
  expect(stdout).toContain('done: yes')
  expect(stdout).not.toMatch(/RST_STREAM|\[ERROR\]/)
  expect(stdout.match(/z/g)?.length ?? 0).toBeGreaterThanOrEqual(BODY_BYTES)
})

it.each([
  ['one connection', ['-n', '10000', '-c', '1', '-m', '100']],
  ['many connections', ['-n', '2000', '-c', '200', '-m', '10']],
  ['windows of few bytes', ['-n', '500', '-c', '2', '-m', '50', '-w', '7', '-W', '9', '-d', '/etc/hostname']],
  ['no table', ['-n', '500', '-c', '2', '-m', '50', '--header-table-size=0']],
])('h2load succeeds with all calls over %s', async (_, options) => {
  const { stdout } = await runTool('h2load', [...options, url])
  const [, succeeded, failed] = /(\d+) succeeded, (\d+) failed/.exec(stdout) ?? []
  expect([succeeded, failed]).toEqual([options[1], '0'])
})

describe('node:http2', () => {
  it.each([
    ['no table', BODY_BYTES, { headerTableSize: 0 }],
    [
      'a large table and large frames',
      BODY_BYTES,
      { headerTableSize: 1 << 20, maxFrameSize: 2 ** 24 - 1, initialWindowSize: 2 ** 31 - 1 },
    ],
    ['a window of 1 byte', 300, { initialWindowSize: 1 }],
  ])('with %s gets back what it sends', async (_, length, own) => {
    const session = connectHttp2(url, { settings: own })
    try {
      for (let call = 0; call < 3; call++) {
        const stream = session.request({ ':method': 'POST', ':path': '/' })
        stream.end(Buffer.alloc(length, 'q'))
        let bytes = 0
        let trailers: IncomingHttpHeaders = {}
        stream.on('data', (chunk: Buffer) => (bytes += chunk.length))
        stream.on('trailers', (got) => (trailers = got))
        await new Promise((resolve, reject) => stream.on('close', resolve).on('error', reject))
        expect([bytes, trailers['done']]).toEqual([length, 'yes'])
      }
    } finally {
      session.destroy()
    }
  })

  it('sends headers of any byte that may be in one, and they come as they are', async () => {
    const session = connectHttp2(url)
    const character = fc.integer({ min: 0x21, max: 0xff }).filter((code) => code !== 0x7f)
    const value = fc
      .array(character, { minLength: 1, maxLength: 80 })
      .map((codes) => String.fromCharCode(...codes))
    try {
      await fc.assert(
        fc.asyncProperty(value, fc.nat(300), async (text, more) => {
          // What is mostly short codes is Huffman-coded, whatever else is in it.
          const sent = `${'e'.repeat(more)}${text}`
          const stream = session.request({ ':method': 'POST', ':path': '/', 'x-value': sent })
          stream.resume().end()
          await new Promise((resolve, reject) => stream.on('close', resolve).on('error', reject))
          expect(seen.at(-1)?.headers['x-value']).toBe(sent)
        }),
        { numRuns: 200 },
      )
    } finally {
      session.destroy()
    }
  })
})

interface Part {
  readonly stream: number
  readonly data: Buffer
  readonly padding: number
}

/** A conversation that nothing can be said against: two calls that take turns. */
const parts = fc.array(
  fc.record({
    stream: fc.constantFrom(1, 3),
    data: fc.uint8Array({ maxLength: 3000 }).map((each) => Buffer.from(each)),
    padding: fc.nat(20),
  }),
  { minLength: 1, maxLength: 20 },
)

function conversation(each: readonly Part[], splitAt: number): Buffer {
  const first = REQUEST.subarray(0, splitAt % REQUEST.length)
  const frames = [
    PREFACE,
    rawFrame(frameTypes.SETTINGS, 0, 0, setting(settings.INITIAL_WINDOW_SIZE, 1 << 20)),
    rawFrame(frameTypes.WINDOW_UPDATE, 0, 0, uint32(1 << 20)),
    rawFrame(frameTypes.HEADERS, 0, 1, first),
    rawFrame(frameTypes.CONTINUATION, flags.END_HEADERS, 1, REQUEST.subarray(first.length)),
    rawFrame(frameTypes.HEADERS, flags.END_HEADERS, 3, REQUEST),
    ...each.map(({ stream, data, padding }) =>
      rawFrame(
        frameTypes.DATA,
        flags.PADDED,
        stream,
        Buffer.concat([Buffer.from([padding]), data, Buffer.alloc(padding)]),
      ),
    ),
    rawFrame(frameTypes.DATA, flags.END_STREAM, 1, Buffer.alloc(0)),
    rawFrame(frameTypes.DATA, flags.END_STREAM, 3, Buffer.alloc(0)),
  ]
  return Buffer.concat(frames)
}

/** What comes back of each call, and whether it ends in order. */
async function said(at: number, whole: Buffer): Promise<unknown> {
  const peer = new RawPeer(at)
  try {
    peer.socket.write(whole)
    const ends = () =>
      peer.frames.filter(({ flag, type }) => (flag & flags.END_STREAM) !== 0 && type <= frameTypes.HEADERS)
        .length
    await until('both ends', () => ends() === 2 || peer.closed)
    return [1, 3].map((id) => ({
      id,
      data: Buffer.concat(
        peer.frames
          .filter(({ stream, type }) => stream === id && type === frameTypes.DATA)
          .map(({ payload }) => payload),
      ).toString('hex'),
      resets: peer.frames.filter(({ type }) => type === frameTypes.RST_STREAM).length,
    }))
  } finally {
    peer.socket.destroy()
  }
}

it('what is said in order is answered as by the server of node:http2', async () => {
  const real = createHttp2Server()
  real.on('stream', (stream: ServerHttp2Stream) => {
    stream.respond({ ':status': 200 })
    stream.pipe(stream)
  })
  await new Promise<void>((resolve) => real.listen(0, '127.0.0.1', resolve))
  try {
    await fc.assert(
      fc.asyncProperty(parts, fc.nat(50), async (each, splitAt) => {
        const whole = conversation(each, splitAt)
        const [ours, theirs] = await Promise.all([
          said(port, whole),
          said((real.address() as AddressInfo).port, whole),
        ])
        expect(ours).toEqual(theirs)
      }),
      { numRuns: 40 },
    )
  } finally {
    await new Promise((resolve) => real.close(resolve))
  }
}, 30_000)
