import type { Socket } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { Cleanup, freePort, member, open, readAll, row, run, tcpPeer, until } from './test-support.ts'

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

function echo(socket: Socket): void {
  socket.pipe(socket)
}

function says(text: string): (socket: Socket) => void {
  return (socket) => {
    socket.on('error', () => undefined)
    socket.end(text)
  }
}

async function ask(port: number): Promise<string> {
  const socket = await open(cleanup, port)
  return readAll(socket)
}

describe('members', () => {
  test('a member that refuses is passed over, and the refusal is counted', async () => {
    const peer = await tcpPeer(cleanup, says('up'))
    const dead = member('dead', await freePort())
    const { port, status } = await run(cleanup, row([dead, member('up', peer.port)], { protocol: 'TCP' }))
    for (let turn = 0; turn < 4; turn += 1) expect(await ask(port)).toBe('up')
    expect(status().members[0]).toMatchObject({ connectFailures: 2, connections: 0 })
  })

  test('no member, or none that can be reached: closed at once', async () => {
    const { port, apply, status } = await run(cleanup, row([], { protocol: 'TCP' }))
    expect(await ask(port)).toBe('')
    expect(status().conditions).toEqual([expect.objectContaining({ code: 'NO_MEMBERS' })])
    await apply(row([member('dead', await freePort())], { protocol: 'TCP', port: 0 }))
    expect(await ask(port)).toBe('')
    await apply(row([member('idle', await freePort(), { weight: 0 })], { protocol: 'TCP' }))
    expect(await ask(port)).toBe('')
    expect(status().conditions).toEqual([expect.objectContaining({ code: 'NO_MEMBER_AVAILABLE' })])
  })

  test('draining: nothing new, established connections go on', async () => {
    const first = await tcpPeer(cleanup, echo)
    const second = await tcpPeer(cleanup, echo)
    const members = [member('first', first.port), member('second', second.port)]
    const { port, apply, status } = await run(cleanup, row(members, { protocol: 'TCP' }))
    const held = await open(cleanup, port)
    await until('first has it', () => first.sockets.size === 1)
    await apply(
      row([member('first', first.port, { drain: true }), member('second', second.port)], { protocol: 'TCP' }),
    )
    for (let turn = 0; turn < 3; turn += 1) await open(cleanup, port)
    await until('second has the new ones', () => second.sockets.size === 3)
    expect(first.sockets.size).toBe(1)
    expect(status().members[0]).toMatchObject({ health: 'DRAINING', connections: 1 })
    const answer = readAll(held)
    held.end('still here')
    expect(await answer).toBe('still here')
  })

  test('a removed member keeps its connections for the grace time, then they are cut', async () => {
    const peer = await tcpPeer(cleanup, echo)
    const other = await tcpPeer(cleanup, echo)
    const { port, apply } = await run(cleanup, row([member('a', peer.port)], { protocol: 'TCP' }), {
      graceMilliseconds: 300,
    })
    const held = await open(cleanup, port)
    await until('the member has it', () => peer.sockets.size === 1)
    const started = performance.now()
    await apply(row([member('b', other.port)], { protocol: 'TCP' }))
    held.write('x')
    await new Promise((resolve) => held.once('data', resolve))
    await new Promise((resolve) => held.once('close', resolve))
    expect(performance.now() - started).toBeGreaterThanOrEqual(295)
    await until('the member is rid of it', () => peer.sockets.size === 0)
  })
})

describe('bytes', () => {
  test('an abort by the member reaches the client as an abort', async () => {
    const peer = await tcpPeer(cleanup, (socket) => {
      socket.write('part')
      socket.once('data', () => socket.resetAndDestroy())
    })
    const { port } = await run(cleanup, row([member('a', peer.port)], { protocol: 'TCP' }))
    const client = await open(cleanup, port)
    await new Promise((resolve) => client.once('data', resolve))
    const error = new Promise<NodeJS.ErrnoException>((resolve) => client.once('error', resolve))
    client.write('go')
    expect((await error).code).toBe('ECONNRESET')
  })

  test('a connection on which nothing moves is ended, one that moves is not', async () => {
    const peer = await tcpPeer(cleanup, echo)
    const { port, status } = await run(cleanup, row([member('a', peer.port)], { protocol: 'TCP' }), {
      idleMilliseconds: 1_000,
    })
    const still = await open(cleanup, port)
    const lively = await open(cleanup, port)
    const tick = setInterval(() => lively.write('.'), 50)
    cleanup.add(() => clearInterval(tick))
    lively.resume()
    await new Promise((resolve) => still.once('close', resolve))
    await until('one left', () => status().connections.current === 1)
    expect(lively.destroyed).toBe(false)
  })

  test('a reader that stops reading is ended, and what is kept for it stays bounded', async () => {
    let sent = 0
    const peer = await tcpPeer(cleanup, (socket) => {
      const chunk = Buffer.alloc(65_536)
      const pump = (): void => {
        while (!socket.destroyed && socket.write(chunk)) sent += chunk.length
        sent += chunk.length
      }
      socket.on('drain', pump)
      pump()
    })
    const { port, status } = await run(cleanup, row([member('a', peer.port)], { protocol: 'TCP' }), {
      idleMilliseconds: 300,
    })
    const client = await open(cleanup, port)
    client.pause()
    await until('ended', () => status().connections.current === 0 && status().connections.total === 1)
    await until('the member is rid of it', () => peer.sockets.size === 0)
    // Two pairs of kernel buffers (6 MiB at most each by tcp_rmem and tcp_wmem) and two high-water marks.
    expect(sent).toBeLessThan(32 * 1024 ** 2)
  })
})

describe('limits', () => {
  test('connections above the limit wait for their turn, those above the queue are refused', async () => {
    const peer = await tcpPeer(cleanup, echo)
    const one = row([member('a', peer.port)], { protocol: 'TCP', connectionLimit: 2 })
    const { port, status } = await run(cleanup, one, { queueMax: 1 })
    const first = await open(cleanup, port)
    await open(cleanup, port)
    await until('two served', () => peer.sockets.size === 2)
    const queued = await open(cleanup, port)
    await until('one queued', () => status().connections.queued === 1)
    expect(await ask(port)).toBe('')
    expect(status().connections).toMatchObject({ current: 2, queued: 1, refused: 1 })
    queued.write('hello')
    first.destroy()
    const answer: Buffer = await new Promise((resolve) => queued.once('data', resolve))
    expect(answer.toString()).toBe('hello')
    expect(status().connections).toMatchObject({ current: 2, queued: 0, total: 3 })
  })

  test('waiting ends after the queue time, and raising the limit serves those who wait', async () => {
    const peer = await tcpPeer(cleanup, echo)
    const one = row([member('a', peer.port)], { protocol: 'TCP', connectionLimit: 1 })
    const { port, status, apply } = await run(cleanup, one, { queueMilliseconds: 400 })
    await open(cleanup, port)
    await until('one served', () => peer.sockets.size === 1)
    expect(await ask(port)).toBe('')
    await open(cleanup, port)
    await until('one queued', () => status().connections.queued === 1)
    await apply({ ...one, connectionLimit: 2 })
    await until('two served', () => peer.sockets.size === 2)
  })

  test('1,000 short connections leave nothing open', async () => {
    const peer = await tcpPeer(cleanup, says('bye'))
    const { port, status } = await run(cleanup, row([member('a', peer.port)], { protocol: 'TCP' }))
    for (let batch = 0; batch < 20; batch += 1) {
      const answers = await Promise.all(Array.from({ length: 50 }, () => ask(port)))
      expect(answers.every((answer) => answer === 'bye')).toBe(true)
    }
    await until('all ended', () => status().connections.current === 0 && peer.sockets.size === 0)
    expect(status().connections.total).toBe(1_000)
    expect(status().members[0]).toMatchObject({ connections: 0, connectionsTotal: 1_000 })
    expect(status().bytes.out).toBe(3_000)
  })
})
