import { afterEach, describe, expect, test } from 'vitest'
import { Balancer } from './balancer.ts'
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

const cleanup = new Cleanup()
afterEach(() => cleanup.run())

function echoPeer(): ReturnType<typeof tcpPeer> {
  return tcpPeer(cleanup, (socket) => void socket.pipe(socket))
}

async function get(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/`, { headers: { Connection: 'close' } })
  return response.text()
}

describe('addresses', () => {
  test('an address in use is a condition with a reason, and is taken once it is free', async () => {
    const holder = await tcpPeer(cleanup, (socket) => socket.end())
    const peer = await httpPeer(cleanup, (_request, response) => response.end('up'))
    const other = await freePort()
    const balancer = new Balancer({ onHealth: () => undefined, bounds: { bindRetryMilliseconds: 20 } })
    cleanup.add(() => balancer.close())
    const members = [member('a', peer.port)]
    await balancer.apply([
      { key: 'taken', row: row(members, { port: holder.port }) },
      { key: 'free', row: row(members, { uid: 'listener-2', port: other }) },
      { key: 'foreign', row: row(members, { uid: 'listener-3', address: '192.0.2.1', port: other }) },
      { key: 'wrong', row: row(members, { uid: 'listener-4', address: 'web.test' }) },
    ])
    const status = balancer.status()
    expect(status.get('taken')).toMatchObject({
      bound: null,
      conditions: [{ code: 'ADDRESS_IN_USE', reason: expect.stringContaining(String(holder.port)) }],
    })
    expect(status.get('foreign')?.conditions[0]?.code).toBe('ADDRESS_NOT_AVAILABLE')
    expect(status.get('wrong')?.conditions[0]).toEqual({
      code: 'INVALID_ROW',
      reason: 'address "web.test" is not an IP address',
    })
    expect(await get(other)).toBe('up')
    await holder.stop()
    await until('bound', () => balancer.status().get('taken')?.bound !== null)
    expect(balancer.status().get('taken')?.conditions).toEqual([])
    expect(await get(holder.port)).toBe('up')
  })

  test('two listeners swap their ports in one edit', async () => {
    const [first, second] = [await freePort(), await freePort()]
    const peers = [
      await httpPeer(cleanup, (_request, response) => response.end('one')),
      await httpPeer(cleanup, (_request, response) => response.end('two')),
    ]
    const rows = (one: number, two: number) => [
      { key: 'one', row: row([member('a', peers[0]?.port ?? 0)], { uid: 'listener-1', port: one }) },
      { key: 'two', row: row([member('b', peers[1]?.port ?? 0)], { uid: 'listener-2', port: two }) },
    ]
    const balancer = new Balancer({ onHealth: () => undefined })
    cleanup.add(() => balancer.close())
    await balancer.apply(rows(first, second))
    expect([await get(first), await get(second)]).toEqual(['one', 'two'])
    await balancer.apply(rows(second, first))
    expect([await get(first), await get(second)]).toEqual(['two', 'one'])
  })
})

test('IPv6, to the client and to the member', async () => {
  const peer = await httpPeer(
    cleanup,
    (request, response) => response.end(request.headers.forwarded),
    0,
    '::1',
  )
  const { port } = await run(cleanup, row([member('a', peer.port, { address: '::1' })], { address: '::1' }))
  const response = await fetch(`http://[::1]:${port}/`)
  expect(await response.text()).toBe(`for="[::1]";host="[::1]:${port}";proto=http`)
})

describe('edits', () => {
  test('weights, algorithm, limit, monitor, port, even the protocol: established connections go on', async () => {
    const peer = await echoPeer()
    const web = await httpPeer(cleanup, (_request, response) => response.end('web'))
    const first = row([member('a', peer.port)], { protocol: 'TCP' })
    const { port, apply, status } = await run(cleanup, first, { graceMilliseconds: 60_000 })
    const held = await open(cleanup, port, true)
    const answer = readAll(held)
    await until('the member has it', () => peer.sockets.size === 1)
    const monitor = {
      type: 'TCP' as const,
      intervalMilliseconds: 1_000,
      timeoutMilliseconds: 500,
      rise: 1,
      fall: 1,
      path: '/',
      expectedCodes: '200',
    }
    await apply({ ...first, monitor, algorithm: 'SOURCE_IP', connectionLimit: 1 })
    held.write('1')
    await apply({ ...first, members: [member('a', peer.port, { weight: 9 }), member('b', web.port)] })
    held.write('2')
    const moved = await freePort()
    await apply({ ...first, protocol: 'HTTP', port: moved, members: [member('b', web.port)] })
    held.end('3')
    expect(await get(moved)).toBe('web')
    await expect(open(cleanup, port)).rejects.toThrow('ECONNREFUSED')
    expect(await answer).toBe('123')
    await until('ended', () => status().connections.current === 0)
  })

  test('a row that is wrong changes nothing; the same row again does nothing', async () => {
    const peer = await httpPeer(cleanup, (_request, response) => response.end('up'))
    const web = row([member('a', peer.port)])
    const { port, apply, status } = await run(cleanup, web)
    await apply({ ...web, members: [member('a', 0)] })
    expect(status().conditions).toEqual([
      { code: 'INVALID_ROW', reason: 'member "a": port 0 is not between 1 and 65535' },
    ])
    expect(await get(port)).toBe('up')
    await Promise.all([apply(web), apply(web), apply(web)])
    expect(status()).toMatchObject({ bound: { port }, conditions: [] })
    expect(await get(port)).toBe('up')
  })
})

describe('the end', () => {
  test('a listener taken away finishes the request under way, and takes no more', async () => {
    const held: (() => void)[] = []
    const peer = await httpPeer(cleanup, (_request, response) => held.push(() => response.end('late')))
    const { port, balancer } = await run(cleanup, row([member('a', peer.port)]), {
      graceMilliseconds: 60_000,
    })
    const idle = await open(cleanup, port)
    const client = await open(cleanup, port)
    const answer = readAll(client)
    client.write('GET / HTTP/1.1\r\nHost: a\r\n\r\n')
    await until('the member has it', () => held.length === 1)
    await balancer.apply([{ key: 'web', row: null }])
    await expect(open(cleanup, port)).rejects.toThrow('ECONNREFUSED')
    expect(balancer.status().size).toBe(0)
    held.shift()?.()
    expect(await answer).toMatch(/^HTTP\/1\.1 200 [^]*Connection: close\r\n[^]*late/)
    idle.destroy()
    await balancer.close()
  })

  test('close waits for the grace time and no longer', async () => {
    const peer = await echoPeer()
    const { port, balancer } = await run(cleanup, row([member('a', peer.port)], { protocol: 'TCP' }), {
      graceMilliseconds: 200,
    })
    const held = await open(cleanup, port)
    await until('the member has it', () => peer.sockets.size === 1)
    const started = performance.now()
    await balancer.close()
    expect(performance.now() - started).toBeGreaterThanOrEqual(195)
    expect(performance.now() - started).toBeLessThan(5_000)
    await until('cut', () => held.destroyed && peer.sockets.size === 0)
  })
})
