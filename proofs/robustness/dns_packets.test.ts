import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { GROWTH_BYTES_MAX, NodeProcess } from './node.ts'
import { exchange } from './raw.ts'

/** The name server of a node answers what is malformed with the code that the RFCs give for it, or not at all, and goes on. */
let node: NodeProcess
let host: string
let port: number

beforeAll(async () => {
  node = await NodeProcess.start(['member', 'dns'])
  const [address = '', number = ''] = (node.facts.dns ?? '').split(':')
  host = address
  port = Number(number)
  await node.run('dns.CreateZone', { project: 'default', name: 'sound.test' })
  await node.run('dns.PutRecordSet', {
    project: 'default',
    zone: 'sound.test',
    name: 'www',
    type: 'A',
    values: ['192.0.2.1'],
  })
  const deadline = performance.now() + 10_000
  while (!(await dig()).includes('192.0.2.1'))
    if (performance.now() > deadline) throw new Error(`the name server does not answer:\n${node.tail}`)
})

afterAll(async () => {
  await node?.close()
})

async function dig(...more: readonly string[]): Promise<string> {
  const args = [`@${host}`, '-p', String(port), '+short', '+tries=1', '+time=2', ...more, 'www.sound.test']
  return (await promisify(execFile)('dig', args)).stdout
}

async function expectWell(): Promise<void> {
  const started = performance.now()
  expect(await dig()).toBe('192.0.2.1\n')
  expect(await dig('+tcp')).toBe('192.0.2.1\n')
  expect(performance.now() - started).toBeLessThan(2000)
  for (const growth of await node.growth()) expect(growth).toBeLessThan(GROWTH_BYTES_MAX)
}

/** Sends one packet, and right after it a sound query: gives the answer to the packet, null when only the query was answered. */
async function ask(packet: Buffer): Promise<Buffer | null> {
  const socket = createSocket('udp4')
  try {
    let answer: Buffer | null = null
    const probed = new Promise<void>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error('the query after the packet was not answered')), 5000)
      socket.on('message', (message) => {
        if (message.readUInt16BE(0) !== PROBE_ID) answer = message
        else {
          clearTimeout(timer)
          resolve()
        }
      })
    })
    socket.connect(port, host)
    await once(socket, 'connect')
    socket.send(packet)
    socket.send(query({ id: PROBE_ID }))
    await probed
    return answer
  } finally {
    socket.close()
  }
}

const PROBE_ID = 0xbeef
const question = Buffer.from('\x03www\x05sound\x04test\x00\x00\x01\x00\x01', 'latin1')

function query({ id = 1, flags = 0, counts = [1, 0, 0, 0], tail = question } = {}): Buffer {
  const head = Buffer.alloc(12)
  for (const [i, value] of [id, flags, ...counts].entries()) head.writeUInt16BE(value, i * 2)
  return Buffer.concat([head, tail])
}

const FORMERR = 1
const NOTIMP = 4
const REFUSED = 5

test.each([
  ['a question that is not there', query({ tail: Buffer.alloc(0) }), FORMERR],
  ['a question cut short', query({ tail: question.subarray(0, 9) }), FORMERR],
  ['a name that points at itself', query({ tail: Buffer.from([0xc0, 12, 0, 1, 0, 1]) }), FORMERR],
  ['a label of a length that is reserved', query({ tail: Buffer.from([0x80, 1, 0, 0, 1, 0, 1]) }), FORMERR],
  ['more records than come', query({ counts: [1, 0, 0, 9] }), FORMERR],
  [
    'two OPT records',
    query({
      counts: [1, 0, 0, 2],
      tail: Buffer.concat([
        question,
        ...Array<Buffer>(2).fill(Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 0])),
      ]),
    }),
    FORMERR,
  ],
  ['an update (RFC 2136)', query({ flags: 5 << 11 }), NOTIMP],
  [
    'a name that it is not asked to serve',
    query({ tail: Buffer.from('\x07foreign\x04test\x00\x00\x01\x00\x01', 'latin1') }),
    REFUSED,
  ],
])('%s is answered with its code', async (_, packet, code) => {
  const answer = await ask(packet)
  expect(answer?.readUInt16BE(0)).toBe(1)
  expect((answer?.readUInt16BE(2) ?? 0) & 0xf).toBe(code)
})

test.each([
  ['nothing', Buffer.alloc(0)],
  ['less than a header', Buffer.from([0, 1, 0])],
  ['an answer', query({ flags: 1 << 15 })],
])('%s is not answered: it could go on for ever', async (_, packet) => {
  expect(await ask(packet)).toBeNull()
})

test('random and damaged packets over UDP', async () => {
  const socket = createSocket('udp4')
  socket.on('error', () => undefined)
  socket.connect(port, host)
  await once(socket, 'connect')
  const sound = query()
  for (let i = 0; i < 5000; i++) {
    const packet = i % 2 === 0 ? randomBytes(1 + (i % 600)) : Buffer.from(sound)
    if (i % 2 === 1) packet[i % packet.length] = i & 0xff
    socket.send(packet)
    if (i % 100 === 99) expect(await ask(query())).not.toBeNull()
  }
  socket.close()
  await expectWell()
})

test('over TCP, what is begun and never ended ends the connection in time', async () => {
  const halves = [
    Buffer.from([0]),
    Buffer.from([0, 40]),
    Buffer.concat([Buffer.from([0, 40]), query().subarray(0, 20)]),
  ]
  const answers = await Promise.all(halves.map((bytes) => exchange(node.facts.dns ?? '', bytes)))
  expect(answers).toEqual(['', '', ''])
})

test('over TCP, random bytes end the connection', async () => {
  await Promise.all(
    Array.from({ length: 50 }, () => exchange(node.facts.dns ?? '', randomBytes(5000)).catch(String)),
  )
  await expectWell()
})
