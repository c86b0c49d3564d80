import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { problemOf, rawMember, request, talk } from './http-test-support.ts'
import { Cleanup, freePort, httpPeer, member, row, run, tcpPeer, until } from './test-support.ts'

const command = promisify(execFile)
const cleanup = new Cleanup()
afterEach(() => cleanup.run())

describe('members that fail', () => {
  test('refused: another member is tried, even with a body, and none of it is lost', async () => {
    const peer = await httpPeer(cleanup, (request, response) => {
      const hash = createHash('sha256')
      request.on('data', (chunk: Buffer) => hash.update(chunk))
      request.on('end', () => response.end(hash.digest('hex')))
    })
    const dead = member('dead', await freePort(), { weight: 256 })
    const { port, status } = await run(cleanup, row([dead, member('up', peer.port)]))
    const body = 'x'.repeat(200_000)
    const answer = await talk(
      cleanup,
      port,
      `${request('POST /', 'Content-Length: 200000', 'Connection: close')}${body}`,
    )
    expect(answer).toMatch(/^HTTP\/1\.1 200 /)
    expect(answer).toContain(createHash('sha256').update(body).digest('hex'))
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
    const running = await run(cleanup, row([member('a', await rawMember(cleanup, answer))]))
    expect(problemOf(await talk(cleanup, running.port, request('GET /', 'Connection: close')))).toEqual({
      status,
      code,
    })
  })

  test('none at all, none reachable, none that answers in time', async () => {
    const running = await run(cleanup, row([]), { responseMilliseconds: 150 })
    const ask = async (): Promise<unknown> =>
      problemOf(await talk(cleanup, running.port, request('GET /', 'Connection: close')))
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
    const port = await rawMember(
      cleanup,
      'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n',
    )
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
      expect(await talk(cleanup, port, request('GET /', 'Connection: close'))).toMatch(/^HTTP\/1\.1 200 /)
    }
    expect(answered).toBe(3)
    expect(problemOf(await talk(cleanup, port, request('POST /', 'Connection: close')))).toMatchObject({
      status: 502,
    })
  })

  test('requests above what members take wait for their turn, then are refused', async () => {
    const held: (() => void)[] = []
    const peer = await httpPeer(cleanup, (_request, response) => held.push(() => response.end('ok')))
    const { port, status } = await run(cleanup, row([member('a', peer.port)]), {
      memberConnectionsMax: 1,
      queueMax: 1,
      queueMilliseconds: 5_000,
    })
    const first = talk(cleanup, port, request('GET /', 'Connection: close'))
    await until('one at the member', () => held.length === 1)
    const second = talk(cleanup, port, request('GET /', 'Connection: close'))
    await until('one waits', () => status().connections.queued === 1)
    expect(problemOf(await talk(cleanup, port, request('GET /', 'Connection: close')))).toEqual({
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
