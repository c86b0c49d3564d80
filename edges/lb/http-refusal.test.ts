import { afterEach, describe, expect, test } from 'vitest'
import { problemOf, request, talk } from './http-test-support.ts'
import { Cleanup, httpPeer, member, open, readAll, row, run } from './test-support.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

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
    const answer = await talk(cleanup, port, text, false)
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
    expect(problemOf(await talk(cleanup, running.port, text, false))).toEqual({ status, code })
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
    const stopped = await talk(cleanup, port, `${request('POST /', 'Content-Length: 10')}hello`, false)
    expect(problemOf(stopped)).toEqual({ status: 408, code: 'REQUEST_TIMEOUT' })
    expect(await talk(cleanup, port, request('GET /'), false)).toMatch(/^HTTP\/1\.1 200 /)
    expect(await talk(cleanup, port, '', false)).toBe('')
  })
})
