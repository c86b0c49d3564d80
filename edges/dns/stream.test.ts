import { once } from 'node:events'
import { createServer, type Socket } from 'node:net'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { StreamConnection, type StreamLimits, streamLimits } from './stream.ts'
import { framed, StreamClient } from './testing-client.ts'

const closers: (() => void)[] = []

afterEach(() => {
  for (const close of closers.splice(0).reverse()) close()
})

/** Both ends of a connection whose server answers every query with `response`. */
async function pair(
  response: Buffer,
  limits: Partial<StreamLimits> = {},
): Promise<{ client: StreamClient; socket: Socket }> {
  const server = createServer({ allowHalfOpen: true })
  const accepted = once(server, 'connection')
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  closers.push(() => server.close())
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('There is no port.')
  const client = await StreamClient.open(address.port)
  closers.push(() => client.close())
  const [socket] = (await accepted) as [Socket]
  const connection = new StreamConnection(socket, { ...streamLimits, ...limits }, () => response)
  closers.push(() => connection.close())
  return { client, socket }
}

/** Resolves once `read` has given the same number over 5 looks. */
async function settled(read: () => number): Promise<number> {
  const seen: number[] = []
  await vi.waitUntil(
    () => {
      seen.push(read())
      const last = seen.slice(-5)
      return last.length === 5 && last.every((value) => value > 0 && value === last[0])
    },
    { interval: 50, timeout: 20_000 },
  )
  return seen.at(-1) ?? 0
}

const mebibyte = 1024 * 1024

describe('a client that does not read', () => {
  test('has a bounded number of octets waiting for it', async () => {
    const response = Buffer.alloc(60_000)
    const { client, socket } = await pair(response)
    client.socket.pause()
    // One segment of many small queries, each with a large answer.
    client.socket.write(Buffer.alloc(60_000))
    const waiting = await settled(() => socket.writableLength)
    expect(waiting).toBeLessThan(streamLimits.backlogLength + framed(response).length)
  })

  test('is not read from', async () => {
    const { client, socket } = await pair(Buffer.alloc(60_000))
    client.socket.pause()
    client.socket.write(Buffer.alloc(32 * mebibyte))
    await settled(() => socket.bytesRead)
    // The rest waits on the client's side: nothing here takes it in.
    expect(socket.bytesRead).toBeLessThan(mebibyte)
    expect(client.socket.writableLength).toBeGreaterThan(0)
  })

  test('gets everything in order once it reads', async () => {
    const { client } = await pair(Buffer.alloc(1_000), { backlogLength: 2_000 })
    client.socket.pause()
    const count = 20_000
    let read = 0
    client.socket.on('data', (data: Buffer) => {
      read += data.length
    })
    client.socket.pause()
    client.socket.end(Buffer.concat(Array.from({ length: count }, () => framed(Buffer.alloc(1)))))
    client.socket.resume()
    await client.ended()
    expect(read).toBe(count * 1_002)
  })
})
