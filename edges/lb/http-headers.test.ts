import type { IncomingMessage } from 'node:http'
import { afterEach, describe, expect, test } from 'vitest'
import { problemOf, rawMember, request, talk } from './http-test-support.ts'
import { Cleanup, httpPeer, member, row, run } from './test-support.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

describe('header fields', () => {
  test('the member sees who asked, and nothing that was meant for the balancer alone', async () => {
    let seen: IncomingMessage['headers'] = {}
    const peer = await httpPeer(cleanup, (request, response) => {
      seen = request.headers
      response.end()
    })
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    await talk(
      cleanup,
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
      cleanup,
      'HTTP/1.1 299 Odd But Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Case: Kept\r\nConnection: X-Hop\r\nX-Hop: 1\r\n' +
        'Keep-Alive: timeout=9\r\nDate: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\n\r\nhi',
    )
    const running = await run(cleanup, row([member('a', port)]))
    expect(await talk(cleanup, running.port, request('GET /', 'Connection: close'))).toBe(
      'HTTP/1.1 299 Odd But Fine\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Case: Kept\r\n' +
        'Date: Thu, 01 Jan 2026 00:00:00 GMT\r\nContent-Length: 2\r\nVia: 1.1 ultracloud\r\nConnection: close\r\n\r\nhi',
    )
  })

  test('an absolute target becomes a path with its authority as Host; a mismatch is refused', async () => {
    const peer = await httpPeer(cleanup, (request, response) =>
      response.end(`${request.headers.host} ${request.url}`),
    )
    const { port } = await run(cleanup, row([member('a', peer.port)]))
    expect(await talk(cleanup, port, request('GET http://web.demo.test/x?y=1'))).toMatch(
      /\r\n\r\nweb\.demo\.test \/x\?y=1$/,
    )
    expect(problemOf(await talk(cleanup, port, request('GET http://other.test/x')))).toEqual({
      status: 400,
      code: 'REQUEST_MALFORMED',
    })
  })
})
