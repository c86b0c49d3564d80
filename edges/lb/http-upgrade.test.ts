import { createHash } from 'node:crypto'
import type { Socket } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import {
  Cleanup,
  freePort,
  httpPeer,
  member,
  open,
  type Peer,
  readAll,
  row,
  run,
  until,
} from './test-support.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

/** A WebSocket server that sends every short text frame back (RFC 6455 §5). */
async function webSocketPeer(): Promise<Peer> {
  const peer = await httpPeer(cleanup, (_request, response) => response.end('plain'))
  peer.server.on('upgrade', (request, socket: Socket) => {
    const key = `${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`
    const accept = createHash('sha1').update(key).digest('base64')
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
    )
    socket.on('data', (frame: Buffer) => {
      const length = (frame[1] ?? 0) & 0x7f
      const mask = frame.subarray(2, 6)
      const payload = frame.subarray(6, 6 + length).map((byte, index) => byte ^ (mask[index % 4] ?? 0))
      socket.write(Buffer.concat([Buffer.from([frame[0] ?? 0, length]), payload]))
      // After a close frame it is for the server to close the connection (§7.1.1).
      if (((frame[0] ?? 0) & 0x0f) === 8) socket.end()
    })
    socket.on('end', () => socket.end())
  })
  return peer
}

test('a WebSocket passes, counts as a connection of its member, and stays through an edit', async () => {
  const peer = await webSocketPeer()
  const dead = member('dead', await freePort(), { weight: 256 })
  const { port, status, apply } = await run(cleanup, row([dead, member('a', peer.port)]))
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
  cleanup.add(() => socket.close())
  const messages: unknown[] = []
  socket.addEventListener('message', (event) => messages.push(event.data))
  await new Promise((resolve, reject) => {
    socket.addEventListener('open', resolve)
    socket.addEventListener('error', reject)
  })
  socket.send('hello')
  await until('echoed', () => messages.length === 1)
  expect(status().members).toMatchObject([{ connections: 0, connectFailures: 1 }, { connections: 1 }])
  await apply(row([member('a', peer.port, { drain: true })]))
  socket.send('again')
  await until('echoed', () => messages.length === 2)
  expect(messages).toEqual(['hello', 'again'])
  socket.close()
  await until('ended', () => status().members[0]?.connections === 0 && status().connections.current === 0)
})

test('a member that declines answers plainly', async () => {
  const peer = await httpPeer(cleanup, (_request, response) =>
    response.writeHead(426, { 'X-A': '1' }).end('no'),
  )
  const { port, status } = await run(cleanup, row([member('a', peer.port)]))
  const client = await open(cleanup, port)
  const answer = readAll(client)
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  expect(await answer).toMatch(/^HTTP\/1\.1 426 [^]*X-A: 1\r\n[^]*Connection: close\r\n[^]*\r\n\r\n[^]*no/)
  await until('ended', () => status().members[0]?.connections === 0)
})

test('bytes sent along with the upgrade reach the member, those along with the answer the client', async () => {
  const peer = await httpPeer(cleanup, (_request, response) => response.end())
  peer.server.on('upgrade', (_request, socket: Socket, head: Buffer) => {
    const early = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\nearly '
    socket.write(early)
    socket.write(head)
    socket.on('end', () => socket.end(' bye'))
    socket.on('data', (chunk: Buffer) => socket.write(chunk))
  })
  const { port } = await run(cleanup, row([member('a', peer.port)]))
  const client = await open(cleanup, port, true)
  const answer = readAll(client)
  client.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhead')
  expect(await answer).toMatch(/^HTTP\/1\.1 101 [^]*\r\n\r\nearly head bye$/)
})

test('no member: 503, at once', async () => {
  const { port, status } = await run(cleanup, row([]))
  const client = await open(cleanup, port)
  const answer = readAll(client)
  client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  expect(await answer).toContain('NO_MEMBER_AVAILABLE')
  expect(status().problems).toEqual({ NO_MEMBER_AVAILABLE: 1 })
})

test('a member that never answers: 504; one that is refused twice is refused', async () => {
  const silent = await httpPeer(cleanup, () => undefined)
  silent.server.on('upgrade', () => undefined)
  const bounds = { connectMilliseconds: 1_000, responseMilliseconds: 100 }
  const { port, apply, status } = await run(cleanup, row([member('silent', silent.port)]), bounds)
  const ask = async (): Promise<string> => {
    const client = await open(cleanup, port)
    const answer = readAll(client)
    client.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
    return answer
  }
  expect(await ask()).toMatch(/^HTTP\/1\.1 504 [^]*MEMBER_TIMEOUT/)
  expect(status().members[0]?.connections).toBe(0)
  await apply(row([member('dead', await freePort()), member('gone', await freePort())]))
  expect(await ask()).toMatch(/^HTTP\/1\.1 503 [^]*MEMBER_UNREACHABLE/)
})

test('a WebSocket outlives the time a response may take', async () => {
  const peer = await webSocketPeer()
  const bounds = { connectMilliseconds: 250, responseMilliseconds: 250 }
  const { port } = await run(cleanup, row([member('a', peer.port)]), bounds)
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
  cleanup.add(() => socket.close())
  await new Promise((resolve) => socket.addEventListener('open', resolve))
  let answers = 0
  socket.addEventListener('message', () => {
    answers += 1
  })
  const started = performance.now()
  while (performance.now() - started < 1_000) {
    const before = answers
    socket.send('tick')
    await until('echoed', () => answers > before)
  }
  expect(socket.readyState).toBe(WebSocket.OPEN)
})
