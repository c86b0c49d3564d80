import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { request, talk } from './http-test-support.ts'
import { Cleanup, httpPeer, member, open, row, run, until } from './test-support.ts'

const command = promisify(execFile)
const cleanup = new Cleanup()
afterEach(() => cleanup.run())

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
    expect(await talk(cleanup, port, request('GET /hints'))).toMatch(
      /^HTTP\/1\.1 103 .*\r\nLink: .*\r\n\r\nHTTP\/1\.1 200 [^]*hello$/,
    )
    expect(await talk(cleanup, port, request('HEAD /'))).toMatch(
      /^HTTP\/1\.1 200 [^]*Content-Length: 5\r\n[^]*\r\n\r\n$/,
    )
    expect(await talk(cleanup, port, request('GET /same'))).toMatch(/^HTTP\/1\.1 304 [^]*\r\n\r\n$/)
    const old = await talk(cleanup, port, 'GET /hints HTTP/1.0\r\n\r\n', false)
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
    const answer = await talk(cleanup, port, text)
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
