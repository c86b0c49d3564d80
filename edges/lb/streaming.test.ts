import { type ChildProcess, fork } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { Agent, request } from 'node:http'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Cleanup, httpPeer, open, readAll, tcpPeer } from './test-support.ts'

const cleanup = new Cleanup()
const size = 64 * 1024 ** 2
const block = randomBytes(64 * 1024)
const expected = digest(blocks())
/** Buffers that were just let go still count for a moment; a body held back would show as some 50 MiB. */
const growthMax = 16 * 1024 ** 2

let child: ChildProcess
let ports: { readonly tcp: number; readonly http: number }

function* blocks(): Generator<Buffer> {
  for (let sent = 0; sent < size; sent += block.length) yield block
}

function digest(chunks: Iterable<Buffer>): string {
  const hash = createHash('sha256')
  for (const chunk of chunks) hash.update(chunk)
  return hash.digest('hex')
}

/** Reads at about 60 MiB a second, in gulps with pauses: far slower than the sender. */
function readSlowly(readable: Readable): Promise<string> {
  const hash = createHash('sha256')
  let gulp = 0
  readable.on('data', (chunk: Buffer) => {
    hash.update(chunk)
    gulp += chunk.length
    if (gulp < 1024 ** 2) return
    gulp = 0
    readable.pause()
    setTimeout(() => readable.resume(), 15)
  })
  return new Promise((resolve) => readable.once('end', () => resolve(hash.digest('hex'))))
}

function ask<T>(message: string): Promise<T> {
  return new Promise((resolve) => {
    child.once('message', (answer) => resolve(answer as T))
    child.send(message)
  })
}

async function growthDuring(action: () => Promise<unknown>): Promise<number> {
  await ask('reset')
  await action()
  return (await ask<{ growth: number }>('growth')).growth
}

beforeAll(async () => {
  const tcp = await tcpPeer(cleanup, (socket) => {
    socket.once('data', (first: Buffer) => {
      if (first[0] === 'd'.charCodeAt(0)) {
        Readable.from(blocks()).pipe(socket)
        return
      }
      socket.unshift(first.subarray(1))
      void readSlowly(socket).then((hash) => socket.end(hash))
    })
  })
  const http = await httpPeer(cleanup, (request, response) => {
    if (request.method === 'GET') Readable.from(blocks()).pipe(response)
    else void readSlowly(request).then((hash) => response.end(hash))
  })
  const started = fork(
    fileURLToPath(new URL('./streaming-child.ts', import.meta.url)),
    [String(tcp.port), String(http.port)],
    {
      execArgv: ['--expose-gc'],
    },
  )
  child = started
  cleanup.add(() => void started.kill('SIGKILL'))
  const [tcpPort = 0, httpPort = 0] = await new Promise<number[]>((resolve, reject) => {
    started.once('message', (answer) => resolve((answer as { ports: number[] }).ports))
    started.once('exit', (code) => reject(new Error(`the balancer ended with ${code}`)))
  })
  ports = { tcp: tcpPort, http: httpPort }
})
afterAll(() => cleanup.run())

describe('64 MiB to a side that reads slowly: whole, and never held in memory', () => {
  test('TCP, to the client', async () => {
    let hash = ''
    const growth = await growthDuring(async () => {
      const socket = await open(cleanup, ports.tcp)
      socket.write('d')
      hash = await readSlowly(socket)
    })
    expect(hash).toBe(expected)
    expect(growth).toBeLessThan(growthMax)
  })

  test('TCP, to the member', async () => {
    let hash = ''
    const growth = await growthDuring(async () => {
      const socket = await open(cleanup, ports.tcp, true)
      socket.write('u')
      Readable.from(blocks()).pipe(socket)
      hash = await readAll(socket)
    })
    expect(hash).toBe(expected)
    expect(growth).toBeLessThan(growthMax)
  })

  test('HTTP, to the client', async () => {
    let hash = ''
    const growth = await growthDuring(async () => {
      const agent = new Agent()
      hash = await new Promise((resolve, reject) => {
        request({ port: ports.http, host: '127.0.0.1', agent }, (response) => resolve(readSlowly(response)))
          .once('error', reject)
          .end()
      })
    })
    expect(hash).toBe(expected)
    expect(growth).toBeLessThan(growthMax)
  })

  test('HTTP, to the member', async () => {
    let hash = ''
    const growth = await growthDuring(async () => {
      hash = await new Promise((resolve, reject) => {
        const upload = request({ port: ports.http, host: '127.0.0.1', method: 'POST' }, (response) => {
          let text = ''
          response.on('data', (chunk: Buffer) => {
            text += chunk.toString()
          })
          response.on('end', () => resolve(text))
        })
        upload.once('error', reject)
        Readable.from(blocks()).pipe(upload)
      })
    })
    expect(hash).toBe(expected)
    expect(growth).toBeLessThan(growthMax)
  })
})
