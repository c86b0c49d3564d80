import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { answer } from './answer.ts'
import { type DnsServer, startDnsServer } from './server.ts'
import { DatagramClient, decode, framed, queryOf, StreamClient } from './testing-client.ts'
import { changesOf, demoRows } from './testing-zones.ts'
import { ZoneStore } from './zone-store.ts'

const store = new ZoneStore()
let server: DnsServer

beforeAll(async () => {
  expect(store.apply(changesOf(demoRows))).toEqual([])
  server = await startDnsServer({ host: '127.0.0.1', port: 0, store })
})

afterAll(async () => await server?.close())

const names = [...new Set(demoRows.map(({ name }) => name))]

const valid = fc
  .record({
    name: fc.constantFrom(...names),
    type: fc.constantFrom('A', 'NS', 'CNAME', 'MX', 'TXT', 'ANY', 'AXFR'),
    edns: fc.option(fc.record({ payloadLength: fc.nat({ max: 65_535 }), options: octets(12) }), {
      nil: undefined,
    }),
  })
  .map(({ name, type, edns }) => queryOf(name, type, edns === undefined ? {} : { edns }))

/** A query with octets changed, left out and put in. */
const mutated = fc
  .tuple(
    valid,
    fc.array(fc.record({ at: fc.nat({ max: 200 }), octet: fc.nat({ max: 255 }), way: fc.nat({ max: 4 }) }), {
      minLength: 1,
      maxLength: 8,
    }),
  )
  .map(([packet, edits]) =>
    edits.reduce((before, { at, octet, way }) => {
      const index = at % (before.length + 1)
      const head = before.subarray(0, index)
      if (way === 0) return head
      if (way === 1) return Buffer.concat([head, before.subarray(index + 1)])
      if (way === 2) return Buffer.concat([head, Buffer.from([octet]), before.subarray(index)])
      return Buffer.concat([head, Buffer.from([octet]), before.subarray(index + 1)])
    }, packet),
  )

/** Octets behind a header that reads like that of a query. */
const tail = octets(300).map((rest) => Buffer.concat([Buffer.from('123401000001000000000000', 'hex'), rest]))

const packet = fc.oneof(octets(64), octets(700), mutated, { weight: 3, arbitrary: mutated }, tail)

function octets(maxLength: number): fc.Arbitrary<Buffer> {
  return fc.uint8Array({ maxLength }).map((array) => Buffer.from(array))
}

function check(query: Buffer, transport: 'udp' | 'tcp'): void {
  const before = Buffer.from(query)
  const response = answer(query, store, transport)
  expect(query.equals(before)).toBe(true)
  const isAnswerable = query.length >= 12 && (query.readUInt8(2) & 0x80) === 0
  expect(response !== null).toBe(isAnswerable)
  if (response === null) return
  expect(response.length).toBeLessThanOrEqual(transport === 'udp' ? 1232 : 65_535)
  const decoded = decode(response)
  expect(decoded.id).toBe(query.readUInt16BE(0))
  expect(decoded.flags).toContain('QR')
  if (decoded.edns === null && transport === 'udp') expect(response.length).toBeLessThanOrEqual(512)
  if (decoded.code === 1) expect(decoded.answer).toEqual([])
}

describe('whatever a packet holds', () => {
  test.each(['udp', 'tcp'] as const)('over %s there is a whole response or none', (transport) => {
    fc.assert(
      fc.property(packet, (query) => check(query, transport)),
      { numRuns: 20_000 },
    )
  })

  test('every cut and every single octet of a query', () => {
    const query = queryOf('busy.demo.test', 'MX', {
      edns: { payloadLength: 1232, options: Buffer.from('00030000', 'hex') },
    })
    for (let length = 0; length < query.length; length += 1) check(query.subarray(0, length), 'udp')
    for (let index = 0; index < query.length; index += 1) {
      for (let octet = 0; octet < 256; octet += 1) {
        const copy = Buffer.from(query)
        copy[index] = octet
        check(copy, 'udp')
      }
    }
  })

  test('nothing of it is kept', () => {
    setFlagsFromString('--expose-gc')
    const collect = runInNewContext('gc') as () => void
    const packets = fc.sample(packet, { numRuns: 5_000, seed: 3 })
    const run = (): number => {
      for (const query of packets) answer(query, store, 'tcp')
      collect()
      return process.memoryUsage().heapUsed
    }
    run()
    const before = run()
    for (let round = 0; round < 8; round += 1) run()
    expect(run() - before).toBeLessThan(1024 * 1024)
  })

  test('the server goes on answering over UDP', async () => {
    const client = await DatagramClient.open(server.port)
    try {
      for (const query of fc.sample(packet, { numRuns: 2_000, seed: 4 })) await client.exchange(query)
      expect(decode(await client.ask(queryOf('demo.test', 'A'))).answer).toHaveLength(1)
    } finally {
      client.close()
    }
  })

  test('the server goes on answering over TCP', async () => {
    for (const query of fc.sample(packet, { numRuns: 300, seed: 5 })) {
      const client = await StreamClient.open(server.port)
      // The packet as a message, and then as the stream itself, where its first octets are a length.
      client.socket.end(Buffer.concat([framed(query), query]))
      await client.ended()
    }
    const client = await StreamClient.open(server.port)
    expect(decode(await client.ask(queryOf('demo.test', 'A'))).answer).toHaveLength(1)
    client.close()
  })
})
