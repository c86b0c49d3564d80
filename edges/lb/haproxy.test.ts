import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Algorithm, MemberRow } from './listener-row.ts'
import {
  Cleanup,
  freePort,
  httpPeer,
  member,
  open,
  type Peer,
  type Running,
  row,
  run,
  until,
} from './test-support.ts'

const command = promisify(execFile)
const cleanup = new Cleanup()

const names = ['a', 'b', 'c'] as const
const weights = { a: 5, b: 3, c: 2 }
const algorithms: Readonly<Record<Algorithm, string>> = {
  ROUND_ROBIN: 'roundrobin',
  LEAST_CONNECTIONS: 'leastconn',
  SOURCE_IP: 'source',
}

/** The same members behind both. */
let peers: ReadonlyMap<string, Peer>
let members: readonly MemberRow[]
let ours: Running
let haproxy: number
/** Requests that each member holds without an answer. */
const holds = new Map<string, number>()

beforeAll(async () => {
  peers = new Map(
    await Promise.all(
      names.map(async (name): Promise<[string, Peer]> => {
        const peer = await httpPeer(cleanup, (request, response) => {
          if (request.url === '/hold') {
            holds.set(name, (holds.get(name) ?? 0) + 1)
            response.once('close', () => holds.set(name, (holds.get(name) ?? 0) - 1))
            return
          }
          if (request.url?.startsWith('/large')) {
            response.writeHead(200, { 'X-Large': 'x'.repeat(20_000) }).end()
            return
          }
          let length = 0
          request.on('error', () => undefined)
          request.on('data', (chunk: Buffer) => {
            length += chunk.length
          })
          request.on('end', () => response.end(`${name} ${length}\n`))
        })
        peer.server.on('checkContinue', (request, response) => {
          response.writeContinue()
          peer.server.emit('request', request, response)
        })
        return [name, peer]
      }),
    ),
  )
  members = names.map((name) => member(name, peers.get(name)?.port ?? 0, { weight: weights[name] }))
  ours = await run(cleanup, row(members))
  haproxy = await startHaproxy('ROUND_ROBIN', members)
})
afterAll(() => cleanup.run())

/** Tries again on another port when someone else was quicker to take the free one. */
async function startHaproxy(
  algorithm: Algorithm,
  members: readonly MemberRow[],
  check = '',
): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await startHaproxyOn(await freePort(), algorithm, members, check)
    } catch (error) {
      if (attempt === 5) throw error
    }
  }
}

async function startHaproxyOn(
  port: number,
  algorithm: Algorithm,
  members: readonly MemberRow[],
  check: string,
): Promise<number> {
  const directory = await mkdtemp(join(tmpdir(), 'lb-haproxy-'))
  cleanup.add(() => rm(directory, { recursive: true }))
  const servers = members.map(
    ({ name, port, weight }) => `  server ${name} 127.0.0.1:${port} weight ${weight} ${check}\n`,
  )
  const file = join(directory, 'haproxy.cfg')
  await writeFile(
    file,
    `defaults\n  mode http\n  option forwardfor\n  option redispatch\n  retries 2\n  timeout connect 3s\n  timeout client 30s\n` +
      `  timeout server 30s\n  timeout http-request 10s\nfrontend web\n  bind 127.0.0.1:${port}\n  default_backend pool\n` +
      `backend pool\n  balance ${algorithms[algorithm]}\n${servers.join('')}`,
  )
  const child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: 'ignore' })
  cleanup.add(() => void child.kill('SIGKILL'))
  child.on('error', () => undefined)
  await until('haproxy listens', async () => {
    if (child.exitCode !== null || child.pid === undefined)
      throw new Error('haproxy did not start: is it installed?')
    return command('curl', ['-s', '-o', '/dev/null', `http://127.0.0.1:${port}/`]).then(
      () => true,
      () => false,
    )
  })
  return port
}

async function distribution(port: number, count: number): Promise<Record<string, number>> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 })
  const counts: Record<string, number> = {}
  for (let turn = 0; turn < count; turn += 1) {
    const name = await new Promise<string>((resolve, reject) => {
      const outgoing = request({ port, host: '127.0.0.1', agent }, (response) => {
        response.once('data', (chunk: Buffer) => resolve(chunk.toString().slice(0, 1)))
      })
      outgoing.once('error', reject)
      outgoing.end()
    })
    counts[name] = (counts[name] ?? 0) + 1
  }
  agent.destroy()
  return counts
}

describe('distribution', () => {
  test('round robin by weight: the same share to each member', async () => {
    const count = 200
    const mine = await distribution(ours.port, count)
    const theirs = await distribution(haproxy, count)
    expect(mine).toEqual({ a: 100, b: 60, c: 40 })
    // HAProxy has answered the probe of its start, so it may be anywhere in its round.
    for (const name of names) expect(Math.abs((theirs[name] ?? 0) - (mine[name] ?? 0))).toBeLessThanOrEqual(2)
  })

  test('least connections: requests that stay spread by weight', async () => {
    const running = await run(cleanup, row(members, { algorithm: 'LEAST_CONNECTIONS' }))
    const other = await startHaproxy('LEAST_CONNECTIONS', members)
    for (const port of [running.port, other]) {
      await until('members are idle', () => names.every((name) => (holds.get(name) ?? 0) === 0))
      const sockets = await Promise.all(Array.from({ length: 100 }, () => open(cleanup, port)))
      for (const [index, socket] of sockets.entries()) {
        socket.write('GET /hold HTTP/1.1\r\nHost: a\r\n\r\n')
        await until('held', () => [...holds.values()].reduce((sum, held) => sum + held, 0) === index + 1)
      }
      expect(Object.fromEntries(names.map((name) => [name, holds.get(name)]))).toEqual({
        a: 50,
        b: 30,
        c: 20,
      })
      for (const socket of sockets) socket.resetAndDestroy()
    }
  })

  test('by source: one client, one member', async () => {
    const running = await run(cleanup, row(members, { algorithm: 'SOURCE_IP' }))
    expect(Object.values(await distribution(running.port, 20))).toEqual([20])
    expect(Object.values(await distribution(await startHaproxy('SOURCE_IP', members), 20))).toEqual([20])
  })
})

/**
 * Status codes of all responses but 1xx. The client ends its side only when `count` have come: HAProxy may drop pipelined
 * requests behind which the client has ended.
 */
async function statuses(port: number, text: string, count: number): Promise<string> {
  const socket = await open(cleanup, port, true)
  let codes: string[] = []
  let answer = ''
  socket.on('data', (chunk: Buffer) => {
    answer += chunk.toString('latin1')
    codes = [...answer.matchAll(/^HTTP\/1\.1 ([2-5]\d\d)/gm)].map((match) => match[1] ?? '')
    if (codes.length >= count) socket.end()
  })
  socket.write(text, 'latin1')
  await new Promise((resolve) => socket.once('close', resolve))
  return codes.join(' ')
}

const post = 'POST / HTTP/1.1\r\nHost: a\r\n'
const get = 'GET / HTTP/1.1\r\nHost: a\r\n'
const chunks = '5\r\nhello\r\n0\r\n\r\n'

describe('the same status as HAProxy', () => {
  test.each([
    { what: 'GET', text: `${get}\r\n`, expected: '200' },
    { what: 'HEAD', text: 'HEAD / HTTP/1.1\r\nHost: a\r\n\r\n', expected: '200' },
    { what: 'chunked', text: `${post}Transfer-Encoding: chunked\r\n\r\n${chunks}`, expected: '200' },
    { what: 'GET with a body', text: `${get}Content-Length: 5\r\n\r\nhello${get}\r\n`, expected: '200 200' },
    {
      what: '100-continue',
      text: `${post}Content-Length: 5\r\nExpect: 100-continue\r\n\r\nhello`,
      expected: '200',
    },
    {
      what: 'three pipelined',
      text: `${get}\r\n${post}Content-Length: 5\r\n\r\nhello${get}\r\n`,
      expected: '200 200 200',
    },
    { what: 'a request, then garbage', text: `${get}\r\n\x01\x02\r\n\r\n`, expected: '200 400' },
    { what: 'HTTP/1.0', text: 'GET / HTTP/1.0\r\n\r\n', expected: '200' },
    { what: 'an absolute target', text: 'GET http://a/ HTTP/1.1\r\nHost: a\r\n\r\n', expected: '200' },
    { what: 'OPTIONS *', text: 'OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n', expected: '200' },
    { what: 'a foreign absolute target', text: 'GET http://b/ HTTP/1.1\r\nHost: a\r\n\r\n', expected: '400' },
    { what: 'two hosts', text: `${get}Host: b\r\n\r\n`, expected: '400' },
    {
      what: 'two lengths',
      text: `${post}Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!`,
      expected: '400',
    },
    { what: 'a signed length', text: `${post}Content-Length: +5\r\n\r\nhello`, expected: '400' },
    {
      what: 'a bad chunk size',
      text: `${post}Transfer-Encoding: chunked\r\n\r\nzz\r\nhello\r\n0\r\n\r\n`,
      expected: '400',
    },
    { what: 'a blank before the colon', text: `${post}Content-Length : 5\r\n\r\nhello`, expected: '400' },
    { what: 'a large response header', text: 'GET /large HTTP/1.1\r\nHost: a\r\n\r\n', expected: '502' },
    { what: 'not HTTP', text: 'hello\r\n\r\n', expected: '400' },
  ])('$what: $expected', async ({ text, expected }) => {
    const count = expected.split(' ').length
    expect({
      haproxy: await statuses(haproxy, text, count),
      ours: await statuses(ours.port, text, count),
    }).toEqual({
      haproxy: expected,
      ours: expected,
    })
  })
})

describe('where the balancer differs on purpose', () => {
  test.each([
    // RFC 9112 §6.3: "might indicate an attempt to perform request smuggling … ought to be handled as an error".
    {
      what: 'both framings',
      text: `${post}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n${chunks}`,
      haproxy: '200',
      ours: '400',
    },
    // RFC 6585 §5 has a status of its own for it.
    { what: 'a large header', text: `${get}X-A: ${'a'.repeat(20_000)}\r\n\r\n`, haproxy: '400', ours: '431' },
  ])('$what: $ours for $haproxy', async ({ text, haproxy: theirs, ours: mine }) => {
    const count = mine.split(' ').length
    expect({
      haproxy: await statuses(haproxy, text, count),
      ours: await statuses(ours.port, text, count),
    }).toEqual({
      haproxy: theirs,
      ours: mine,
    })
  })
})

test('a member stops: neither gives the client an error, and the rest share alike; all stop: 503', async () => {
  const own = new Cleanup()
  cleanup.add(() => own.run())
  const started = await Promise.all(
    names.map((name) => httpPeer(own, (_request, response) => response.end(name))),
  )
  const set = names.map((name, index) => member(name, started[index]?.port ?? 0))
  const monitor = {
    type: 'TCP' as const,
    intervalMilliseconds: 50,
    timeoutMilliseconds: 500,
    rise: 2,
    fall: 2,
    path: '/',
    expectedCodes: '200',
  }
  const running = await run(cleanup, row(set, { monitor }))
  const other = await startHaproxy('ROUND_ROBIN', set, 'check inter 50ms rise 2 fall 2')
  await until('online', () => running.health.length === 3)
  await started[0]?.stop()
  for (const port of [running.port, other]) {
    const counts = await distribution(port, 40)
    expect(counts['a']).toBeUndefined()
    expect(Math.abs((counts['b'] ?? 0) - (counts['c'] ?? 0))).toBeLessThanOrEqual(2)
  }
  await own.run()
  for (const port of [running.port, other]) {
    await until('503', async () => (await statuses(port, `${get}Connection: close\r\n\r\n`, 1)) === '503')
  }
})
