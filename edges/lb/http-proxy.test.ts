import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import {
  Cleanup,
  freePort,
  httpPeer,
  member,
  open,
  readAll,
  row,
  run,
  tcpPeer,
  until,
} from './test-support.ts'

const command = promisify(execFile)
const cleanup = new Cleanup()
afterEach(() => cleanup.run())

async function talk(port: number, text: string, end = true): Promise<string> {
  const socket = await open(cleanup, port, true)
  const answer = readAll(socket)
  if (end) socket.end(text, 'latin1')
  else socket.write(text, 'latin1')
  return answer
}

function request(line: string, ...fields: string[]): string {
  return [`${line} HTTP/1.1`, 'Host: web.demo.test', ...fields, '', ''].join('\r\n')
}

function problemOf(answer: string): unknown {
  const { status, code } = JSON.parse(answer.slice(answer.indexOf('\r\n\r\n')))
  return { status, code }
}

async function rawMember(answer: string): Promise<number> {
  const peer = await tcpPeer(cleanup, (socket) => {
    socket.once('data', () => socket.end(answer))
  })
  return peer.port
}

describe('header fields', () => {
  test('the member sees who asked, and nothing that was meant for the balancer alone', async () => {
    let seen: IncomingMessage['headers'] = {}
    const peer = await httpPeer(cleanup, (request, response) => {
      seen = request.headers
      response.end()
    })
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    await talk(
      port,
      request(
        'GET /',
        'X-Forwarded-For: 10.9.9.9',
        'X-Forwarded-Host: forged.test',
        'Forwarded: for=10.9.9.9',
        'Via: 1.0 edge',
        'Connection: keep-alive, X-Secret, Host, X-Forwarded-For',
        'X-Secret: 1',
        'Keep-Alive: timeout=9',
        'Proxy-Connection: keep-alive',
        'TE: trailers',
        'Upgrade: h2c',
        'Cookie: a=1',
      ),
    )
    expect(seen).toEqual({
      host: 'web.demo.test',
      cookie: 'a=1',
      connection: 'keep-alive',
      'x-forwarded-for': '10.9.9.9, 127.0.0.1',
      'x-forwarded-proto': 'http',
      'x-forwarded-host': 'web.demo.test',
      forwarded: 'for=10.9.9.9, for=127.0.0.1;host="web.demo.test";proto=http',
      via: '1.0 edge, 1.1 ultracloud',
    })
  })

  test('the client sees the response as it was, repeated fields and all', async () => {
    const port = await rawMember(
      'HTTP/1.1 299 Odd But Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Case: Kept\r\nConnection: X-Hop\r\nX-Hop: 1\r\n' +
        'Keep-Alive: timeout=9\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi',
    )
    const running = await run(cleanup, row([member('a', port)]))
    expect(await talk(running.port, request('GET /', 'Connection: close'))).toBe(
      'HTTP/1.1 299 Odd But Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Case: Kept\r\n' +
        'Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\nVia: 1.1 ultracloud\r\nConnection: close\r\n\r\nhi',
    )
  })

  test('an absolute target becomes a path with its authority as Host; a mismatch is refused', async () => {
    const peer = await httpPeer(cleanup, (request, response) =>
      response.end(`${request.headers.host} ${request.url}`),
    )
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    expect(await talk(port, request('GET http://web.demo.test/x?y=1'))).toMatch(
      /\r\n\r\nweb\.demo\.test \/x\?y=1$/,
    )
    expect(problemOf(await talk(port, request('GET http://other.test/x')))).toEqual({
      status: 400,
      code: 'REQUEST_MALFORMED',
    })
  })
})

describe('what is refused', () => {
  const chunked = '0\r\n\r\n'
  test.each([
    {
      what: 'both framings',
      text: `${request('POST /', 'Content-Length: 5', 'Transfer-Encoding: chunked')}${chunked}`,
    },
    { what: 'two lengths', text: `${request('POST /', 'Content-Length: 5', 'Content-Length: 6')}hello` },
    { what: 'a signed length', text: `${request('POST /', 'Content-Length: +5')}hello` },
    {
      what: 'a blank before the colon',
      text: `${request('POST /', 'Transfer-Encoding : chunked')}${chunked}`,
    },
    { what: 'a folded field', text: request('GET /', 'X-A: 1', ' 2') },
    { what: 'a bare line feed', text: 'GET / HTTP/1.1\nHost: a\n\n' },
    {
      what: 'a bad chunk size',
      text: `${request('POST /', 'Transfer-Encoding: chunked')}zz\r\nhello\r\n${chunked}`,
    },
    { what: 'two hosts', text: request('GET /', 'Host: other.test') },
    { what: 'no host', text: 'GET / HTTP/1.1\r\n\r\n' },
    { what: 'chunks in HTTP/1.0', text: `POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n${chunked}` },
    { what: 'not HTTP', text: 'hello\r\n\r\n' },
  ])('$what: 400', async ({ text }) => {
    let reached = 0
    const peer = await httpPeer(cleanup, (request, response) => {
      request.on('error', () => undefined)
      request.on('end', () => {
        reached += 1
      })
      request.resume()
      response.end('reached')
    })
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    const answer = await talk(port, text, false)
    expect(answer).toMatch(/^HTTP\/1\.1 400 /)
    expect(answer.match(/^HTTP\/1\.1 /gm)).toHaveLength(1)
    expect(reached).toBe(0)
  })

  test.each([
    {
      what: 'a large field',
      text: request('GET /', `X-A: ${'a'.repeat(20_000)}`),
      code: 'HEADER_TOO_LARGE',
      status: 431,
    },
    {
      what: 'many fields',
      text: request('GET /', ...Array.from({ length: 200 }, (_, index) => `X-${index}: 1`)),
      code: 'HEADER_TOO_LARGE',
      status: 431,
    },
    {
      what: 'a coding',
      text: request('POST /', 'Transfer-Encoding: gzip, chunked'),
      code: 'TRANSFER_CODING_UNKNOWN',
      status: 501,
    },
    {
      what: 'an expectation',
      text: request('GET /', 'Expect: tea'),
      code: 'EXPECTATION_UNKNOWN',
      status: 417,
    },
    { what: 'CONNECT', text: request('CONNECT a:1'), code: 'METHOD_NOT_IMPLEMENTED', status: 501 },
    {
      what: 'a long body',
      text: request('POST /', 'Content-Length: 2000'),
      code: 'BODY_TOO_LARGE',
      status: 413,
    },
    {
      what: 'a long chunked body',
      text: `${request('POST /', 'Transfer-Encoding: chunked')}7d0\r\n${'a'.repeat(2_000)}\r\n`,
      code: 'BODY_TOO_LARGE',
      status: 413,
    },
  ])('$what: $status $code', async ({ text, code, status }) => {
    const peer = await httpPeer(cleanup, (request, response) => {
      request.on('error', () => undefined)
      request.on('end', () => response.end('reached'))
      request.resume()
    })
    const running = await run(cleanup, row([member('a', peer.port)]), { requestBodyBytesMax: 1_000 })
    expect(problemOf(await talk(running.port, text, false))).toEqual({ status, code })
    expect(running.status().problems).toEqual({ [code]: 1 })
  })

  test('a header that trickles in is given up', async () => {
    const peer = await httpPeer(cleanup, (_request, response) => response.end())
    const { port } = await run(cleanup, row([member('a', peer.port)]), { headersMilliseconds: 200 })
    const socket = await open(cleanup, port)
    const answer = readAll(socket)
    socket.write('GET / HTTP/1.1\r\nHost: a\r\n')
    const trickle = setInterval(() => socket.write('X-A: 1\r\n'), 20)
    cleanup.add(() => clearInterval(trickle))
    expect(problemOf(await answer)).toEqual({ status: 408, code: 'REQUEST_TIMEOUT' })
  })

  test('a body that stops is given up, an idle connection is closed', async () => {
    const peer = await httpPeer(cleanup, (request, response) => {
      request.on('error', () => undefined)
      request.on('end', () => response.end())
      request.resume()
    })
    const { port } = await run(cleanup, row([member('a', peer.port)]), {
      idleMilliseconds: 150,
      keepAliveMilliseconds: 150,
    })
    const stopped = await talk(port, `${request('POST /', 'Content-Length: 10')}hello`, false)
    expect(problemOf(stopped)).toEqual({ status: 408, code: 'REQUEST_TIMEOUT' })
    expect(await talk(port, request('GET /'), false)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await talk(port, '', false)).toBe('')
  })
})

describe('members that fail', () => {
  test('refused: another member is tried, even with a body, and none of it is lost', async () => {
    const peer = await httpPeer(cleanup, (request, response) => request.pipe(response))
    const dead = member('dead', await freePort(), { weight: 256 })
    const { port, status } = await run(cleanup, row([dead, member('up', peer.port)]))
    const body = 'x'.repeat(200_000)
    const answer = await talk(
      port,
      `${request('POST /', 'Content-Length: 200000', 'Connection: close')}${body}`,
    )
    expect(answer.endsWith(`\r\n\r\n${body}`) || answer.includes(body.slice(0, 60_000))).toBe(true)
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(status().members[0]?.connectFailures).toBe(1)
  })

  test.each([
    { what: 'closes without an answer', answer: '', code: 'MEMBER_CONNECTION_LOST', status: 502 },
    {
      what: 'speaks something else',
      answer: 'SSH-2.0-x\r\n\r\n',
      code: 'MEMBER_RESPONSE_INVALID',
      status: 502,
    },
    {
      what: 'frames its answer twice',
      answer: 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n',
      code: 'MEMBER_RESPONSE_INVALID',
      status: 502,
    },
    {
      what: 'sends a large header',
      answer: `HTTP/1.1 200 OK\r\nX-A: ${'a'.repeat(20_000)}\r\n\r\n`,
      code: 'MEMBER_RESPONSE_INVALID',
      status: 502,
    },
  ])('$what: $status $code', async ({ answer, code, status }) => {
    const running = await run(cleanup, row([member('a', await rawMember(answer))]))
    expect(problemOf(await talk(running.port, request('GET /', 'Connection: close')))).toEqual({
      status,
      code,
    })
  })

  test('none at all, none reachable, none that answers in time', async () => {
    const running = await run(cleanup, row([]), { responseMilliseconds: 150 })
    const ask = async (): Promise<unknown> =>
      problemOf(await talk(running.port, request('GET /', 'Connection: close')))
    expect(await ask()).toEqual({ status: 503, code: 'NO_MEMBER_AVAILABLE' })
    await running.apply(row([member('dead', await freePort())]))
    expect(await ask()).toEqual({ status: 503, code: 'MEMBER_UNREACHABLE' })
    const silent = await tcpPeer(cleanup, (socket) => void socket.resume().on('end', () => socket.end()))
    await running.apply(row([member('silent', silent.port)]))
    expect(await ask()).toEqual({ status: 504, code: 'MEMBER_TIMEOUT' })
    await until('the member is rid of it', () => silent.sockets.size === 0)
    expect(running.status().members[0]?.connections).toBe(0)
  })

  test('a response that breaks off breaks off at the client too', async () => {
    const port = await rawMember('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n')
    const running = await run(cleanup, row([member('a', port)]))
    await expect(command('curl', ['-sS', `http://127.0.0.1:${running.port}/`])).rejects.toMatchObject({
      stdout: 'hello',
    })
  })

  test('an idle connection that the member closes just then does not show', async () => {
    let answered = 0
    const peer = await tcpPeer(cleanup, (socket) => {
      let requests = 0
      socket.on('data', () => {
        requests += 1
        if (requests === 2) {
          socket.resetAndDestroy()
          return
        }
        answered += 1
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
      })
    })
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    for (let turn = 0; turn < 3; turn += 1) {
      expect(await talk(port, request('GET /', 'Connection: close'))).toMatch(/^HTTP\/1\.1 200 /)
    }
    expect(answered).toBe(3)
    expect(problemOf(await talk(port, request('POST /', 'Connection: close')))).toMatchObject({ status: 502 })
  })

  test('requests above what members take wait for their turn, then are refused', async () => {
    const held: (() => void)[] = []
    const peer = await httpPeer(cleanup, (_request, response) => held.push(() => response.end('ok')))
    const { port, status } = await run(cleanup, row([member('a', peer.port)]), {
      memberConnectionsMax: 1,
      queueMax: 1,
      queueMilliseconds: 5_000,
    })
    const first = talk(port, request('GET /', 'Connection: close'))
    await until('one at the member', () => held.length === 1)
    const second = talk(port, request('GET /', 'Connection: close'))
    await until('one waits', () => status().connections.queued === 1)
    expect(problemOf(await talk(port, request('GET /', 'Connection: close')))).toEqual({
      status: 503,
      code: 'QUEUE_FULL',
    })
    held.shift()?.()
    expect(await first).toMatch(/ok$/)
    await until('the other at the member', () => held.length === 1)
    held.shift()?.()
    expect(await second).toMatch(/ok$/)
  })
})

describe('the protocol', () => {
  test('curl waits for 100-continue from the member and uploads; a refusal spares the upload', async () => {
    let continued = 0
    const peer = await httpPeer(cleanup, (request, response) => {
      const hash = createHash('sha256')
      request.on('data', (chunk: Buffer) => hash.update(chunk))
      request.on('end', () => response.end(hash.digest('hex')))
    })
    peer.server.on('checkContinue', (request, response) => {
      if (request.url === '/no') {
        response.writeHead(403, { Connection: 'close' }).end('no')
        return
      }
      continued += 1
      response.writeContinue()
      peer.server.emit('request', request, response)
    })
    const { port, status } = await run(cleanup, row([member('a', peer.port)]))
    const body = 'y'.repeat(2_000_000)
    const upload = async (path: string): Promise<string> => {
      const curl = command('curl', [
        '-sS',
        '-H',
        'Expect: 100-continue',
        '--data-binary',
        '@-',
        `http://127.0.0.1:${port}${path}`,
      ])
      curl.child.stdin?.on('error', () => undefined)
      curl.child.stdin?.end(body)
      return (await curl).stdout
    }
    expect(await upload('/yes')).toBe(createHash('sha256').update(body).digest('hex'))
    expect(continued).toBe(1)
    const before = status().bytes.in
    expect(await upload('/no')).toBe('no')
    expect(status().bytes.in - before).toBeLessThan(1_000)
  })

  test('early hints pass, HEAD and 304 have no body, HTTP/1.0 gets its answer and a close', async () => {
    const peer = await httpPeer(cleanup, (request, response) => {
      if (request.url === '/hints') response.writeEarlyHints({ link: '</a.css>; rel=preload' })
      if (request.url === '/same') response.writeHead(304, { ETag: '"1"' }).end()
      else response.writeHead(200, { 'Content-Length': 5 }).end('hello')
    })
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    expect(await talk(port, request('GET /hints'))).toMatch(
      /^HTTP\/1\.1 103 .*\r\nLink: .*\r\n\r\nHTTP\/1\.1 200 [^]*hello$/,
    )
    expect(await talk(port, request('HEAD /'))).toMatch(
      /^HTTP\/1\.1 200 [^]*Content-Length: 5\r\n[^]*\r\n\r\n$/,
    )
    expect(await talk(port, request('GET /same'))).toMatch(/^HTTP\/1\.1 304 [^]*\r\n\r\n$/)
    const old = await talk(port, 'GET /hints HTTP/1.0\r\n\r\n', false)
    expect(old).toMatch(/^HTTP\/1\.1 200 [^]*\r\n\r\nhello$/)
  })

  test('pipelined requests are served one at a time, in order', async () => {
    let under = 0
    let most = 0
    const peer = await httpPeer(cleanup, (request, response) => {
      under += 1
      most = Math.max(most, under)
      setImmediate(() => {
        under -= 1
        response.end(request.url)
      })
    })
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    const count = 500
    const text = Array.from({ length: count }, (_, index) => request(`GET /${index};`)).join('')
    const answer = await talk(port, text)
    const order = [...answer.matchAll(/\/(\d+);/g)].map((match) => Number(match[1]))
    expect(order).toEqual(Array.from({ length: count }, (_, index) => index))
    expect(most).toBe(1)
  })

  test('the head of a response does not wait for its body', async () => {
    const peer = await httpPeer(cleanup, (_request, response) => response.writeHead(200).flushHeaders())
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    const socket = await open(cleanup, port)
    socket.write(request('GET /'))
    const head: Buffer = await new Promise((resolve) => socket.once('data', resolve))
    expect(head.toString()).toMatch(/^HTTP\/1\.1 200 OK\r\n/)
  })

  test('a client that goes away takes its request with it', async () => {
    const peer = await httpPeer(cleanup, () => undefined)
    const { port, status } = await run(cleanup, row([member('a', peer.port)]))
    const socket = await open(cleanup, port)
    socket.write(request('GET /'))
    await until('the member has it', () => status().members[0]?.connections === 1 && peer.sockets.size === 1)
    socket.resetAndDestroy()
    await until('ended', () => status().members[0]?.connections === 0 && peer.sockets.size === 0)
  })
})
