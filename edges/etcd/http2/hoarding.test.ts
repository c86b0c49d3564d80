import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { until } from '../../testing/until.ts'
import { RawPeer, setting, uint32 } from '../testing/raw_peer.ts'
import { Budget } from './budget.ts'
import { Connection } from './connection.ts'
import { headerBlock } from './hpack.ts'
import { errorCodes, flags, frameTypes, settings } from './protocol.ts'
import type { ServerStream } from './stream.ts'

const MIB = 1 << 20
const limits = {
  streamsMax: 4096,
  windowBytes: MIB,
  connectionWindowBytes: 16 * MIB,
  waitingBytesMax: 8 * MIB,
}
const OK = headerBlock({ ':status': '200' })
const NO_WINDOW = setting(settings.INITIAL_WINDOW_SIZE, 0)

let server: Server
let port: number
let budget: Budget
let connections: Connection[]
let peers: RawPeer[]
let serve: (stream: ServerStream) => void

beforeEach(async () => {
  budget = new Budget(16 * MIB)
  connections = []
  peers = []
  server = createServer((socket) => {
    const connection: Connection = new Connection(socket, limits, {
      opened: (stream) => serve(stream),
      closed: () => (connections = connections.filter((each) => each !== connection)),
      budget,
    })
    connections.push(connection)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  port = (server.address() as AddressInfo).port
})

afterEach(async () => {
  for (const { socket } of peers) socket.destroy()
  for (const connection of [...connections]) connection.destroy()
  await new Promise((resolve) => server.close(resolve))
})

function peer(): RawPeer {
  const made = new RawPeer(port)
  peers.push(made)
  return made
}

it('who never takes answers is refused more, and of many such the largest is cut off, not who takes them', async () => {
  serve = (stream) => stream.answer(OK, Buffer.alloc(MIB), OK)
  const honest = peer().greet(setting(settings.INITIAL_WINDOW_SIZE, 2 * MIB))
  honest.send(frameTypes.WINDOW_UPDATE, 0, 0, uint32(1 << 30))
  for (let hoarder = 0; hoarder < 5; hoarder++) {
    const one = peer().greet(NO_WINDOW)
    for (let id = 1; id < 30; id += 2) one.open(id)
    await until(
      'the bound',
      () => one.closed || one.frames.some(({ type }) => type === frameTypes.RST_STREAM),
    )
    if (!one.closed) expect(await one.reset(29)).toBe(errorCodes.REFUSED_STREAM)
    expect(budget.held).toBeLessThanOrEqual(16 * MIB)
    const id = 2 * hoarder + 1
    honest.open(id)
    await until('an answer to the honest', () => honest.dataBytes(id) === MIB)
  }
  expect(connections.length).toBeLessThan(4)
  expect(honest.closed).toBe(false)
})

it('requests that never come whole count for who sent them', async () => {
  const kept: ServerStream[] = []
  serve = (stream) => {
    kept.push(stream)
    stream.listener = {
      data: (chunk) => stream.hold(chunk.length),
      ended: () => undefined,
      closed: () => undefined,
      drained: () => undefined,
    }
  }
  const small = peer().greet().open(1, false)
  const large = peer().greet()
  for (let id = 1; id < 40; id += 2) {
    large.open(id, false)
    for (let i = 0; i < 60; i++) large.send(frameTypes.DATA, 0, id, Buffer.alloc(16_000))
  }
  await until('the end of it', () => large.closed)
  await small.answered()
  await until(
    'nothing but the other',
    () => connections.length === 1 && kept.filter(({ closed }) => !closed).length === 1,
  )
  expect(budget.held).toBeLessThan(10_000)
})

it('little answers for who does not read take little memory', async () => {
  serve = (stream) => stream.answer(OK, Buffer.alloc(MIB), OK)
  const slow = peer().greet(setting(settings.INITIAL_WINDOW_SIZE, 2 * MIB))
  slow.send(frameTypes.WINDOW_UPDATE, 0, 0, uint32(1 << 30))
  await slow.answered()
  slow.socket.pause()
  slow.socket.setNoDelay(true)
  for (let id = 1; id < 15; id += 2) slow.open(id)
  const waiting = (): number => connections[0]?.output.waiting ?? 0
  await until('a full socket', () => waiting() > MIB / 2)
  const before = process.memoryUsage().arrayBuffers
  const least = waiting()
  const count = 2000
  for (let i = 0; i < count; i++) {
    slow.send(frameTypes.PING, 0, 0, Buffer.alloc(8))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await until('its answers', () => waiting() >= least + 17 * count)
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * MIB)
})

it('settings and windows that change much for many calls take little time', async () => {
  serve = (stream) => stream.answer(OK, Buffer.alloc(1000), OK)
  const one = peer().greet(NO_WINDOW)
  for (let id = 1; id < 4000; id += 2) one.open(id)
  await one.answered()
  const toggles = Buffer.concat(
    Array.from({ length: 2700 }, (_, at) => setting(settings.INITIAL_WINDOW_SIZE, at % 2)),
  )
  const before = process.cpuUsage()
  for (let i = 0; i < 10; i++) one.send(frameTypes.SETTINGS, 0, 0, toggles)
  for (let i = 0; i < 5000; i++) one.send(frameTypes.WINDOW_UPDATE, 0, 0, uint32(1))
  await one.answered()
  const { user, system } = process.cpuUsage(before)
  // 54 million changes of a call's window one by one take several seconds.
  expect((user + system) / 1000).toBeLessThan(2000)
  expect(
    one.frames.filter(({ flag, type }) => type === frameTypes.SETTINGS && flag === flags.ACK),
  ).toHaveLength(11)
})
