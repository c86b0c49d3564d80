import { execFile } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type DnsServer, type DnsServerOptions, startDnsServer } from './server.ts'
import { streamLimits } from './stream.ts'
import { DatagramClient, decode, framed, queryOf, StreamClient } from './testing-client.ts'
import { changesOf, demoRows } from './testing-zones.ts'
import { ZoneStore } from './zone-store.ts'

const run = promisify(execFile)
const closers: (() => Promise<void> | void)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

async function start(options: Partial<DnsServerOptions> = {}): Promise<DnsServer & { store: ZoneStore }> {
  const store = new ZoneStore()
  expect(store.apply(changesOf(demoRows))).toEqual([])
  const server = await startDnsServer({ host: '127.0.0.1', port: 0, store, ...options })
  closers.push(async () => await server.close())
  return { ...server, store }
}

async function connect(server: DnsServer): Promise<StreamClient> {
  const client = await StreamClient.open(server.port)
  closers.push(() => client.close())
  return client
}

async function tool(name: 'dig' | 'kdig', server: DnsServer, ...rest: string[]): Promise<string> {
  const { stdout } = await run(name, [`@${server.address}`, '-p', String(server.port), ...rest])
  return stdout
}

const crowd = queryOf('crowd.demo.test', 'A')
const web = queryOf('web.demo.test', 'A')

describe('dig and kdig', () => {
  test.each<[string, string, string[]]>([
    ['web.demo.test', 'A', ['192.0.2.80', '192.0.2.81', '192.0.2.82']],
    ['web.demo.test', 'AAAA', ['2001:db8::80']],
    ['demo.test', 'NS', ['ns1.demo.test.', 'ns2.demo.test.', 'ns.other.test.']],
    ['demo.test', 'SOA', ['ns1.demo.test. hostmaster.demo.test. 2026010101 3600 600 604800 300']],
    ['demo.test', 'MX', ['10 mail.demo.test.', '20 mail.other.test.', '30 box.wild.demo.test.']],
    ['demo.test', 'CAA', ['0 issue "ca.example"', '128 iodef "mailto:security@demo.test"']],
    ['demo.test', 'TXT', ['"v=spf1 -all"', '"two" "strings"']],
    ['alias.demo.test', 'CNAME', ['www.demo.test.']],
    ['alias.demo.test', 'A', ['www.demo.test.', 'web.demo.test.', '192.0.2.80', '192.0.2.81', '192.0.2.82']],
    ['4.3.2.1.demo.test', 'PTR', ['web.demo.test.']],
    [
      '_http._tcp.demo.test',
      'SRV',
      ['0 5 80 web.demo.test.', '1 0 8080 mail.demo.test.', '2 0 81 gone.demo.test.'],
    ],
    ['any.wild.demo.test', 'TXT', ['"wildcard"']],
  ])('%s %s', async (name, type, values) => {
    const server = await start()
    for (const transport of ['+notcp', '+tcp']) {
      const output = await tool('dig', server, name, type, '+short', transport)
      expect(output.trim().split('\n')).toEqual(values)
    }
  })

  test('the case that the client chose comes back', async () => {
    const output = await tool('dig', await start(), 'wEb.DeMo.tEsT', 'AAAA', '+noall', '+question', '+answer')
    expect(output).toMatch(/^;wEb\.DeMo\.tEsT\.\s+IN\s+AAAA$/m)
    expect(output).toMatch(/^wEb\.DeMo\.tEsT\.\s+73\s+IN\s+AAAA\s+2001:db8::80$/m)
  })

  test('a referral has no AA, the servers in authority and their addresses in additional', async () => {
    const output = await tool('kdig', await start(), 'host.sub.demo.test')
    expect(output).toMatch(/status: NOERROR/)
    expect(output).toMatch(/Flags: qr rd; QUERY: 1; ANSWER: 0; AUTHORITY: 3; ADDITIONAL: 3/)
  })

  test('a name that is not there has the SOA, for as long as MINIMUM says', async () => {
    const output = await tool('dig', await start(), 'nothing.demo.test', '+noall', '+comments', '+authority')
    expect(output).toMatch(/status: NXDOMAIN/)
    expect(output).toMatch(/^demo\.test\.\s+300\s+IN\s+SOA/m)
  })

  test('a response that is too long is truncated, and whole over TCP', async () => {
    const server = await start()
    expect(await tool('kdig', server, 'many.demo.test', '+noedns', '+ignore')).toMatch(/Flags: qr aa tc rd/)
    expect(await tool('kdig', server, 'many.demo.test', '+bufsize=512', '+ignore')).toMatch(
      /Flags: qr aa tc rd/,
    )
    expect(await tool('kdig', server, 'many.demo.test', '+bufsize=1232', '+ignore')).toMatch(
      /Flags: qr aa rd/,
    )
    expect(await tool('kdig', server, 'crowd.demo.test', '+bufsize=4096', '+ignore')).toMatch(
      /Flags: qr aa tc rd/,
    )
    // dig goes over to TCP by itself.
    const whole = await tool('dig', server, 'crowd.demo.test', '+short')
    expect(whole.split('\n').filter((line) => line.startsWith('10.9.0.'))).toHaveLength(250)
    expect(server.statistics()).toMatchObject({ truncated: 4, tcpQueries: 1 })
  })

  test('another version of EDNS is BADVERS', async () => {
    const output = await tool('kdig', await start(), 'web.demo.test', '+edns=1')
    expect(output).toMatch(/status: BADVERS/)
    expect(output).toMatch(/Version: 0; flags: ; UDP size: 1232 B; ext-rcode: BADVERS/)
  })

  test('a name of others is refused', async () => {
    expect(await tool('dig', await start(), 'example.com')).toMatch(/status: REFUSED[^]*EDE: 20/)
  })

  test('a zone transfer is refused', async () => {
    expect(await tool('dig', await start(), 'demo.test', 'AXFR')).toMatch(/Transfer failed/)
  })

  test('many queries go over one connection', async () => {
    const server = await start()
    const names = Array.from({ length: 20 }, () => ['web.demo.test', 'A'])
    await tool('dig', server, '+tcp', '+keepopen', '+short', ...names.flat())
    expect(server.statistics()).toMatchObject({ tcpQueries: 20 })
  })

  test('over IPv6', async () => {
    const server = await start({ host: '::1' })
    expect(await tool('dig', server, 'web.demo.test', 'AAAA', '+short')).toBe('2001:db8::80\n')
    expect(await tool('dig', server, 'web.demo.test', 'AAAA', '+short', '+tcp')).toBe('2001:db8::80\n')
  })
})

describe('the server', () => {
  test('answers from changed rows at once', async () => {
    const server = await start()
    const client = await connect(server)
    server.store.apply([{ key: 'record/demo.test/web.demo.test/A', row: null }])
    expect(decode(await client.ask(web)).answer).toEqual([])
  })

  test('says which port is in use, and lets go of the other one', async () => {
    const taken = createServer()
    taken.listen(0, '127.0.0.1')
    await once(taken, 'listening')
    closers.push(() => void taken.close())
    const address = taken.address()
    if (address === null || typeof address === 'string') throw new Error('There is no port.')
    await expect(start({ port: address.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    const socket = createSocket('udp4')
    socket.bind(address.port, '127.0.0.1')
    await once(socket, 'listening')
    await expect(start({ port: address.port })).rejects.toMatchObject({ code: 'EADDRINUSE' })
    socket.close()
  })

  test('leaves responses without a response', async () => {
    const server = await start()
    const client = await DatagramClient.open(server.port)
    closers.push(() => client.close())
    expect(await client.exchange(queryOf('web.demo.test', 'A', { flags: 0x8100 }))).toBeNull()
    expect(await client.exchange(Buffer.alloc(11))).toBeNull()
    expect(server.statistics()).toMatchObject({ ignored: 2 })
    const stream = await connect(server)
    stream.socket.write(framed(queryOf('web.demo.test', 'A', { flags: 0x8100 })))
    await stream.ended()
  })

  test('closes with clients connected', async () => {
    const server = await start()
    const client = await connect(server)
    await client.ask(web)
    await server.close()
    await client.ended()
    await expect(StreamClient.open(server.port)).rejects.toMatchObject({ code: 'ECONNREFUSED' })
  })
})

describe('over TCP', () => {
  test('a query may come octet by octet', async () => {
    const client = await connect(await start())
    client.socket.setNoDelay(true)
    const response = client.next()
    for (const octet of framed(web))
      await new Promise((resolve) => client.socket.write(Buffer.from([octet]), resolve))
    expect(decode(await response).answer).toHaveLength(3)
  })

  test('queries at once are answered in order', async () => {
    const client = await connect(await start())
    const ids = Array.from({ length: 2_000 }, (_, id) => id)
    const responses = ids.map(async () => await client.next())
    client.socket.write(Buffer.concat(ids.map((id) => framed(queryOf('web.demo.test', 'A', { id })))))
    expect((await Promise.all(responses)).map((response) => response.readUInt16BE(0))).toEqual(ids)
  })

  test('a client that has closed its half gets what it has asked for', async () => {
    const client = await connect(await start())
    const responses = [client.next(), client.next()]
    client.socket.end(Buffer.concat([framed(web), framed(crowd)]))
    expect((await Promise.all(responses)).map((response) => decode(response).answer.length)).toEqual([3, 250])
    await client.ended()
  })

  test('a client that does not read is not read from, and gets all of it later', async () => {
    const server = await start()
    const client = await connect(server)
    const count = 10_000
    client.socket.pause()
    client.socket.write(Buffer.concat(Array.from({ length: count }, () => framed(crowd))))
    // Some 4 KiB a response: what the two sockets take, and then no more.
    let answered = -1
    await vi.waitUntil(
      () => {
        const before = answered
        answered = server.statistics().tcpQueries
        return answered > 0 && answered === before
      },
      { interval: 200, timeout: 10_000 },
    )
    expect(answered).toBeLessThan(count)
    let read = 0
    client.socket.on('data', (data: Buffer) => {
      read += data.length
    })
    client.socket.resume()
    await vi.waitUntil(() => server.statistics().tcpQueries === count, { timeout: 20_000 })
    const length = framed(await (await connect(server)).ask(crowd)).length
    await vi.waitUntil(() => read === count * length, { timeout: 20_000 })
  })

  test.each([
    ['idle', { idleMs: 100 }, Buffer.alloc(0)],
    ['in the middle of a query', { queryMs: 100 }, framed(web).subarray(0, 20)],
  ])('a client that stays %s is cut off', async (_title, limits, octets) => {
    const server = await start({ limits: { ...streamLimits, ...limits } })
    const client = await connect(server)
    if (octets.length > 0) client.socket.write(octets)
    await client.ended()
    await vi.waitUntil(() => server.statistics().connections === 0)
  })

  test('a query in drops gets no more time than one at a stretch', async () => {
    const server = await start({ limits: { ...streamLimits, queryMs: 300 } })
    const client = await connect(server)
    client.socket.setNoDelay(true)
    const begin = performance.now()
    const drops = (async () => {
      for (const octet of Buffer.concat([Buffer.from([255, 255]), Buffer.alloc(1_000)])) {
        if (client.socket.destroyed) return
        client.socket.write(Buffer.from([octet]))
        await delay(20)
      }
    })()
    await client.ended()
    await drops
    expect(performance.now() - begin).toBeLessThan(3_000)
  })

  test('a client that never reads is cut off', async () => {
    const server = await start({ limits: { ...streamLimits, writeMs: 200 } })
    const client = await connect(server)
    client.socket.pause()
    client.socket.write(Buffer.concat(Array.from({ length: 20_000 }, () => framed(crowd))))
    await vi.waitUntil(() => server.statistics().tcpQueries > 0, { timeout: 10_000 })
    await vi.waitUntil(() => server.statistics().connections === 0, { timeout: 10_000 })
    expect(server.statistics().tcpQueries).toBeLessThan(20_000)
  })

  test('over the limit the client idle for longest makes room', async () => {
    const server = await start({ connectionsMax: 3 })
    const clients = [await connect(server), await connect(server), await connect(server)]
    for (const client of clients) await client.ask(web)
    await clients[0]?.ask(web)
    const fourth = await connect(server)
    expect(decode(await fourth.ask(web)).answer).toHaveLength(3)
    await clients[1]?.ended()
    expect(clients.map((client) => client.socket.destroyed)).toEqual([false, true, false])
    expect(server.statistics()).toMatchObject({ connections: 3, connectionsRefused: 1 })
  })

  test('over the limit with no client idle the one without a query for longest makes room', async () => {
    const server = await start({ connectionsMax: 1 })
    const client = await connect(server)
    const response = client.next()
    client.socket.write(Buffer.concat([framed(web), framed(web).subarray(0, 5)]))
    await response
    const second = await connect(server)
    expect(decode(await second.ask(web)).answer).toHaveLength(3)
    await client.ended()
    expect(server.statistics()).toMatchObject({ connections: 1, connectionsRefused: 1 })
  })
})
