import * as fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type DnsServer, startDnsServer } from './server.ts'
import {
  DatagramClient,
  type Decoded,
  decode,
  type Exchange,
  type QueryOptions,
  queryOf,
  StreamExchange,
} from './testing-client.ts'
import { type Knot, startKnot } from './testing-knot.ts'
import { changesOf, demoRows, nestedRows } from './testing-zones.ts'
import { ZoneStore } from './zone-store.ts'

const rows = [...demoRows, ...nestedRows]
const names = [
  ...new Set(demoRows.map(({ name }) => name)),
  'nothing.demo.test',
  'a.b.c.nothing.demo.test',
  'below.web.demo.test',
  '_tcp.demo.test',
  'ent.demo.test',
  'b.ent.demo.test',
  'other.ent.demo.test',
  'a.a.b.ent.demo.test',
  'wild.demo.test',
  'some.wild.demo.test',
  'a.b.wild.demo.test',
  'y.wild.demo.test',
  'other.y.wild.demo.test',
  'below.exists.wild.demo.test',
  'below.*.wild.demo.test',
  'any.walias.demo.test',
  'any.wloop.demo.test',
  'any.wcut.demo.test',
  'a.b.wcut.demo.test',
  'wcut.demo.test',

  'host.sub.demo.test',
  'a.deep.sub.demo.test',
  'x.lame.demo.test',
  'cut.demo.test',
  'x.under.cut.demo.test',
  '3.2.1.demo.test',
  'd.demo.test',
  `${'a'.repeat(63)}.demo.test`,
  `${'a.'.repeat(120)}demo.test`,
  'test',
  'other.test',
  'xdemo.test',
  '.',
]
const nestedNames = [
  ...new Set(nestedRows.map(({ name }) => name)),
  'nothing.nest.test',
  'nothing.child.nest.test',
  'nothing.orphan.nest.test',
  'a.web.child.nest.test',
]
const types = [
  'A',
  'AAAA',
  'NS',
  'CNAME',
  'MX',
  'TXT',
  'SRV',
  'PTR',
  'CAA',
  'SOA',
  'DS',
  'ANY',
  'HTTPS',
  'TYPE65280',
]

interface Case {
  readonly title: string
  readonly packet: Buffer
}

function caseOf(name: string, type: string, options: QueryOptions = {}): Case {
  const { edns, ...rest } = options
  const title = `${name} ${type} ${JSON.stringify(rest)} ${edns === undefined ? '' : JSON.stringify(edns)}`
  return { title, packet: queryOf(name, type, options) }
}

let knot: Knot
let server: DnsServer
const closers: (() => void)[] = []

beforeAll(async () => {
  const store = new ZoneStore()
  expect(store.apply(changesOf(rows))).toEqual([])
  server = await startDnsServer({ host: '127.0.0.1', port: 0, store })
  knot = await startKnot(rows)
})

afterAll(async () => {
  for (const close of closers) close()
  await server?.close()
  await knot?.stop()
})

interface Exception {
  readonly reason: string
  applies(packet: Buffer, ours: Decoded, theirs: Decoded | null): boolean
}

const formatError = 1
const nameError = 3
const notImplemented = 4
const refused = 5
const notAuthorized = 9

/** Where this server means to differ. A test at the end asks that each is still needed. */
const exceptions: readonly Exception[] = [
  {
    reason:
      'Knot is silent where it cannot read the question; FORMERR tells the client (RFC 1035 section 4.1.1)',
    applies: (_packet, ours, theirs) =>
      theirs === null && ours.code === formatError && ours.questions.length === 0,
  },
  {
    reason: 'NOTIFY and UPDATE, which Knot knows: zones come from the log alone',
    applies: (packet, ours, theirs) =>
      [4, 5].includes((packet.readUInt8(2) >> 3) & 15) &&
      ours.code === notImplemented &&
      (theirs?.code === formatError || theirs?.code === notAuthorized),
  },
  {
    reason: 'Transfers, which Knot knows and has no rule for here',
    applies: (packet, ours, theirs) =>
      packet.subarray(-4).readUInt16BE(0) >= 251 &&
      ours.code === refused &&
      (theirs?.code === notImplemented || theirs?.code === notAuthorized),
  },
  {
    reason:
      'Knot takes a payload length of 1 for class IN and says FORMERR; it counts as 512 (RFC 6891 section 6.2.3)',
    applies: (packet, _ours, theirs) =>
      theirs?.code === formatError && packet.subarray(-11).toString('hex').startsWith('0000290001'),
  },
  {
    reason:
      'Knot names the wildcard as the owner of a referral it makes from one, which is above no name that was asked for',
    applies: (_packet, ours, theirs) =>
      theirs !== null &&
      theirs.authority.length > 0 &&
      theirs.authority.every((record) => record.startsWith('*.wcut.demo.test. ')) &&
      JSON.stringify({
        ...ours,
        authority: ours.authority.map((record) => record.replace(/^[^ ]+/, '*.wcut.demo.test.')),
      }) === JSON.stringify(theirs),
  },
  {
    reason:
      'Knot leaves out an SOA that does not fit; a negative answer without it is not whole (RFC 2308 section 3), so TC',
    applies: (_packet, ours, theirs) =>
      ours.flags.includes('AA TC') &&
      ours.code === nameError &&
      ours.authority.length === 0 &&
      JSON.stringify({ ...ours, flags: ours.flags.replace(' TC', '') }) === JSON.stringify(theirs),
  },
  {
    reason: 'Both are truncated, and more glue fits here because more names are compressed',
    applies: (_packet, ours, theirs) =>
      theirs !== null &&
      ours.flags.includes('TC') &&
      JSON.stringify({ ...ours, additional: [] }) === JSON.stringify({ ...theirs, additional: [] }) &&
      theirs.additional.every((record) => ours.additional.includes(record)),
  },
]
const used = new Set<Exception>()

async function compare(
  cases: readonly Case[],
  transport: 'udp' | 'tcp',
  way: 'ask' | 'exchange' = 'ask',
): Promise<void> {
  const open = async (port: number): Promise<Exchange> => {
    const client = await (transport === 'udp' ? DatagramClient : StreamExchange).open(port)
    closers.push(() => client.close())
    return client
  }
  const [ours, theirs] = await Promise.all([open(server.port), open(knot.port)])
  const differences: unknown[] = []
  for (const { title, packet } of cases) {
    const [ourResponse, theirResponse] = await Promise.all([ours[way](packet), theirs[way](packet)])
    const our = ourResponse === null ? null : decode(ourResponse)
    const their = theirResponse === null ? null : decode(theirResponse)
    if (JSON.stringify(our) === JSON.stringify(their)) {
      // The same records take no more octets: names are compressed at least as well.
      expect(ourResponse?.length ?? 0, title).toBeLessThanOrEqual(theirResponse?.length ?? 0)
      continue
    }
    if (our !== null) {
      const exception = exceptions.find((other) => other.applies(packet, our, their))
      if (exception !== undefined) {
        used.add(exception)
        continue
      }
    }
    differences.push({ title, ours: our, theirs: their })
  }
  expect(differences).toEqual([])
}

const every = (options: QueryOptions = {}): Case[] =>
  [...names, ...nestedNames].flatMap((name) => types.map((type) => caseOf(name, type, options)))

/** What may be odd about a query apart from its name and type. */
const variants: readonly QueryOptions[] = [
  { flags: 0x0000 },
  { flags: 0x0110, id: 0xffff },
  { flags: 0x0120, id: 0 },
  { flags: 0x07f0 },
  { flags: 0x0103 },
  { caseBits: 0x2a_aa_aa_aa },
  { caseBits: 0x7f_ff_ff_ff, edns: { payloadLength: 1232 } },
  { class: 255 },
  { class: 3 },
  { class: 4 },
  { class: 254 },
  { class: 3, edns: { payloadLength: 1232 } },
  { edns: { payloadLength: 1232, flags: 0x8000 } },
  { edns: { payloadLength: 1232, flags: 0x7fff } },
  { edns: { payloadLength: 65_535 } },
  { edns: { payloadLength: 1232, version: 1 } },
  { edns: { payloadLength: 512, version: 255, flags: 0x8000 } },
  // NSID (3), client subnet (8), cookie (10), padding (12), a private one, two at once, an empty one.
  { edns: { payloadLength: 1232, options: Buffer.from('00030000', 'hex') } },
  { edns: { payloadLength: 1232, options: Buffer.from('0008000700011800c00002', 'hex') } },
  { edns: { payloadLength: 1232, options: Buffer.from('000a00080102030405060708', 'hex') } },
  { edns: { payloadLength: 1232, options: Buffer.from('000c000400000000', 'hex') } },
  { edns: { payloadLength: 1232, options: Buffer.from('fde90003010203', 'hex') } },
  { edns: { payloadLength: 1232, options: Buffer.from('fde90001ff00030000', 'hex') } },
  // Options that are not whole.
  { edns: { payloadLength: 1232, options: Buffer.from('0003', 'hex') } },
  { edns: { payloadLength: 1232, options: Buffer.from('00030004aa', 'hex') } },
]

const variantNames = [
  'web.demo.test',
  'demo.test',
  'nothing.demo.test',
  'host.sub.demo.test',
  'alias.demo.test',
  'other.test',
]

/** Owners of a record behind the question, which ends at octet 31. */
const pointers = [
  ['an owner that points to the question', 'c00c'],
  ['an owner that points to itself', 'c01f'],
  ['an owner that points beyond itself', 'c021'],
  ['an owner that points over the end', 'ffff'],
  ['an owner with a label and a pointer back', '0161c00c'],
  ['an owner with a label and a pointer to itself', '0161c01f'],
] as const

/** Messages that no well-behaved client sends. */
function oddities(): Case[] {
  const plain = queryOf('web.demo.test', 'A')
  const edns = queryOf('web.demo.test', 'A', { edns: { payloadLength: 1232 } })
  const edited = (title: string, packet: Buffer, edits: Readonly<Record<number, number>>): Case => {
    const copy = Buffer.from(packet)
    for (const [offset, octet] of Object.entries(edits)) copy[Number(offset)] = octet
    return { title, packet: copy }
  }
  const opt = edns.subarray(plain.length)
  return [
    ...Array.from({ length: 15 }, (_, index) =>
      edited(`opcode ${index + 1}`, plain, { 2: (index + 1) << 3 }),
    ),
    edited('opcode 6 with EDNS', edns, { 2: 6 << 3 }),
    edited('no question', plain.subarray(0, 12), { 5: 0 }),
    edited('a question that is not counted', plain, { 5: 0 }),
    edited('a question that is not there', plain.subarray(0, 12), {}),
    {
      title: 'two questions',
      packet: Buffer.concat([edited('', plain, { 5: 2 }).packet, plain.subarray(12)]),
    },
    edited('an answer that is not there', plain, { 7: 1 }),
    edited('65,535 records that are not there', plain, { 10: 255, 11: 255 }),
    { title: 'an octet too many', packet: Buffer.concat([plain, Buffer.from([0])]) },
    { title: 'two OPT records', packet: Buffer.concat([edited('', edns, { 11: 2 }).packet, opt]) },
    edited('OPT in the answer section', edns, { 7: 1, 11: 0 }),
    edited('OPT in the authority section', edns, { 9: 1, 11: 0 }),
    ...pointers.map(([title, owner]) => ({
      title,
      packet: Buffer.concat([
        edited('', plain, { 11: 1 }).packet,
        Buffer.from(`${owner}000100010000000000040a000001`, 'hex'),
      ]),
    })),
    edited('a pointer in the question', plain, { 12: 0xc0, 13: 12 }),
    edited('a label of an unknown kind', plain, { 12: 0x43 }),
    edited('a label over the end', plain, { 12: 63 }),
    ...Array.from({ length: plain.length - 13 }, (_, index) => ({
      title: `cut to ${index + 13}`,
      packet: plain.subarray(0, index + 13),
    })),
    ...Array.from({ length: opt.length - 1 }, (_, index) => ({
      title: `EDNS cut to ${plain.length + index + 1}`,
      packet: edns.subarray(0, plain.length + index + 1),
    })),
  ]
}

/** Names made of labels that the zone has, some that it has not, and wildcards; the seed makes failures repeatable. */
function randomCases(count: number, seed: number): Case[] {
  const labels = [...new Set(names.flatMap((name) => name.split('.')))].filter(
    (label) => label !== '' && !label.includes('\\'),
  )
  const label = fc.oneof(
    { weight: 4, arbitrary: fc.constantFrom(...labels) },
    fc.stringMatching(/^[a-z0-9-]{1,12}$/),
  )
  const name = fc
    .tuple(fc.array(label, { maxLength: 4 }), fc.constantFrom(...names.filter((name) => name.length < 60)))
    .map(([prefix, suffix]) => [...prefix, ...(suffix === '.' ? [] : [suffix])].join('.') || '.')
  const options = fc.record({
    caseBits: fc.integer({ min: 0, max: 0x7f_ff_ff_ff }),
    edns: fc.record({ payloadLength: fc.integer({ min: 0, max: 65_535 }) }),
  })
  const query = fc.tuple(name, fc.constantFrom(...types), fc.option(options, { nil: {} }))
  return fc
    .sample(query, { numRuns: count, seed })
    .map(([name, type, options]) => caseOf(name, type, options))
}

describe('answers as Knot does', () => {
  test('over UDP without EDNS', async () => await compare(every(), 'udp'))
  test('over TCP', async () => await compare(every(), 'tcp'))
  test.each([0, 512, 700, 1232, 4096])('over UDP with EDNS of %i octets', async (payloadLength) => {
    await compare(every({ edns: { payloadLength } }), 'udp')
  })
  test.each(['udp', 'tcp'] as const)('whatever the header and EDNS say, over %s', async (transport) => {
    const cases = variantNames.flatMap((name) => variants.map((options) => caseOf(name, 'A', options)))
    await compare(cases, transport)
  })
  test.each(['udp', 'tcp'] as const)(
    'what is malformed, over %s',
    async (transport) => await compare(oddities(), transport, 'exchange'),
  )
  test.each(['udp', 'tcp'] as const)('random names, over %s', async (transport) => {
    await compare(randomCases(1_000, transport === 'udp' ? 1 : 2), transport)
  })
  test.each(['udp', 'tcp'] as const)('transfers, over %s', async (transport) => {
    await compare(
      ['AXFR', 'IXFR'].flatMap((type) => [caseOf('demo.test', type), caseOf('web.demo.test', type)]),
      transport,
    )
  })
  test('but for exceptions, of which each is needed', () => {
    expect(exceptions.filter((exception) => !used.has(exception)).map(({ reason }) => reason)).toEqual([])
  })
})
