import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { afterEach, expect, test } from 'vitest'
import { Cleanup, httpPeer, member, open, readAll, row, run, tcpPeer, until } from './test-support.ts'

const command = promisify(execFile)
const cleanup = new Cleanup()
afterEach(() => cleanup.run())

const get = 'GET / HTTP/1.1\r\nHost: a\r\n\r\n'
const getAndClose = 'GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n'

test('1,000 short connections leave nothing open, at either side', async () => {
  const peer = await httpPeer(cleanup, (_request, response) => response.end('bye'))
  const { port, status } = await run(cleanup, row([member('a', peer.port)]), { memberIdleMilliseconds: 200 })
  for (let batch = 0; batch < 20; batch += 1) {
    const answers = await Promise.all(
      Array.from({ length: 50 }, async () => {
        const socket = await open(cleanup, port)
        const answer = readAll(socket)
        socket.write(getAndClose)
        return answer
      }),
    )
    expect(answers.every((answer) => answer.endsWith('bye'))).toBe(true)
    expect(peer.sockets.size).toBeLessThanOrEqual(50)
  }
  await until('all ended', () => status().connections.current === 0 && peer.sockets.size === 0)
  expect(status()).toMatchObject({
    requests: 1_000,
    connections: { total: 1_000 },
    members: [{ connections: 0 }],
  })
})

test('a flood of pipelined requests is read no further than the first ones are answered', async () => {
  const peer = await httpPeer(cleanup, () => undefined)
  const { port, status } = await run(cleanup, row([member('a', peer.port)]))
  const client = await open(cleanup, port)
  const long = get.replace('\r\n\r\n', `\r\nX-A: ${'a'.repeat(200)}\r\n\r\n`)
  const flood = Buffer.from(long.repeat(2_000))
  for (let written = 0; written < 64 * 1024 ** 2; written += flood.length) client.write(flood)
  await until('the first at the member', () => status().members[0]?.connections === 1)
  let before = -1
  await until('reading has stopped', async () => {
    const stopped = before === status().bytes.in
    before = status().bytes.in
    await new Promise((resolve) => setTimeout(resolve, 50))
    return stopped
  })
  expect(client.writableLength).toBeGreaterThan(32 * 1024 ** 2)
  expect(status().bytes.in).toBeLessThan(512 * 1024)
  expect(status().connections.current).toBe(1)
  const dense = await open(cleanup, port)
  const answer = readAll(dense)
  dense.write(get.repeat(2_000))
  expect(await answer).toBe('')
  expect(status().connections.current).toBe(1)
})

test('a client that stops reading is cut, and its member with it', async () => {
  const peer = await httpPeer(cleanup, (_request, response) => {
    const chunk = Buffer.alloc(65_536)
    const pump = (): void => {
      while (!response.destroyed && response.write(chunk));
    }
    response.on('drain', pump)
    pump()
  })
  const { port, status } = await run(cleanup, row([member('a', peer.port)]), { idleMilliseconds: 200 })
  const client = await open(cleanup, port)
  client.pause()
  client.write(get)
  await until('served', () => status().bytes.out > 65_536)
  await until('cut', () => status().connections.current === 0 && peer.sockets.size === 0)
  expect(status().members[0]?.connections).toBe(0)
})

test('a member that stops reading an upload: 504, and it is let go', async () => {
  const peer = await tcpPeer(cleanup, (socket) => void socket.pause())
  const body = Buffer.alloc(64 * 1024 ** 2)
  const { port, status } = await run(cleanup, row([member('a', peer.port)]), { idleMilliseconds: 1_000 })
  const client = await open(cleanup, port)
  const answer = readAll(client)
  client.write(`POST / HTTP/1.1\r\nHost: a\r\nContent-Length: ${body.length}\r\n\r\n`)
  client.write(body)
  expect(await answer).toMatch(/^HTTP\/1\.1 504 [^]*MEMBER_TIMEOUT/)
  await until('let go', () => status().members[0]?.connections === 0)
})

test('an answer that comes before the end of the upload reaches curl', async () => {
  const peer = await httpPeer(cleanup, (request, response) => {
    request.on('error', () => undefined)
    request.resume()
    response.writeHead(413).end('too much')
  })
  const { port, status } = await run(cleanup, row([member('a', peer.port)]))
  const curl = command('curl', [
    '-sS',
    '-H',
    'Expect:',
    '-T',
    '-',
    '-w',
    ' %{http_code}',
    `http://127.0.0.1:${port}/`,
  ])
  curl.child.stdin?.on('error', () => undefined)
  curl.child.stdin?.write(Buffer.alloc(1024 ** 2))
  const { stdout } = await curl.finally(() => curl.child.stdin?.destroy())
  expect(stdout).toBe('too much 413')
  await until('ended', () => status().connections.current === 0 && status().members[0]?.connections === 0)
})

test('requests that wait for a member are answered at once when the last one goes offline', async () => {
  const peer = await httpPeer(cleanup, () => undefined)
  const monitor = {
    type: 'TCP' as const,
    intervalMilliseconds: 20,
    timeoutMilliseconds: 500,
    rise: 1,
    fall: 1,
    path: '/',
    expectedCodes: '200',
  }
  const { port, status } = await run(cleanup, row([member('a', peer.port)], { monitor }), {
    memberConnectionsMax: 1,
    queueMilliseconds: 60_000,
  })
  await until('online', () => status().members[0]?.health === 'ONLINE')
  const first = await open(cleanup, port)
  first.write(get)
  await until('one at the member', () => status().members[0]?.connections === 1)
  const waiting = await open(cleanup, port)
  const answer = readAll(waiting)
  waiting.write(getAndClose)
  await until('one waits', () => status().connections.queued === 1)
  peer.server.close()
  expect(await answer).toMatch(/^HTTP\/1\.1 503 [^]*NO_MEMBER_AVAILABLE/)
})

test('a connection limit: idle connections make room for those who wait', async () => {
  const peer = await httpPeer(cleanup, (_request, response) => response.end('ok'))
  const { port, status } = await run(cleanup, row([member('a', peer.port)], { connectionLimit: 2 }))
  for (let turn = 0; turn < 2; turn += 1) {
    const idle = await open(cleanup, port)
    idle.write(get)
    await new Promise((resolve) => idle.once('data', resolve))
  }
  expect(status().connections.current).toBe(2)
  const third = await open(cleanup, port)
  const answer = readAll(third)
  third.write(getAndClose)
  expect(await answer).toMatch(/^HTTP\/1\.1 200 [^]*ok/)
})

test('a listener that is its own member: the loop is found, nothing is left behind', async () => {
  const { port, apply, status } = await run(cleanup, row([]))
  await apply(row([member('self', port)]))
  const client = await open(cleanup, port)
  const answer = readAll(client)
  client.write(getAndClose)
  expect(await answer).toMatch(/^HTTP\/1\.1 508 [^]*LOOP_DETECTED/)
  expect(status().requests).toBe(9)
  await until('ended', () => status().members[0]?.connections === 0)
})
