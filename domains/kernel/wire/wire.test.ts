import * as fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { bytes, type Message, message } from '../contract.ts'
import { Codec } from './codec.ts'
import { deriveMessage } from './derive_message.ts'
import { printFile } from './print.ts'
import type { ProtoFile } from './proto.ts'

const Rule = message({ port: [1, z.int32()], protocol: [2, z.enum(['tcp', 'in-use'])] })

const everything = message({
  text: [1, z.string()],
  small: [2, z.int32()],
  large: [3, z.int()],
  ratio: [4, z.number()],
  flag: [5, z.boolean()],
  kind: [6, z.enum(['a', 'b'])],
  note: [7, z.string().nullable()],
  limit: [8, z.int().optional()],
  tags: [9, z.array(z.string())],
  sizes: [10, z.array(z.int())],
  labels: [11, z.record(z.string(), z.string())],
  rule: [12, Rule.schema.nullable()],
  rules: [13, z.array(Rule.schema)],
  changedTags: [14, z.array(z.string()).optional()],
  changedNote: [15, z.string().nullable().optional()],
  data: [16, bytes().describe('Anything.')],
})

function fileOf(own: Message): ProtoFile {
  const messages = [deriveMessage('ultracloud.test.v1.Sample', own, new Map())]
  return { path: 'test.proto', package: 'ultracloud.test.v1', imports: [], messages, services: [] }
}

const TYPE = 'ultracloud.test.v1.Sample'
const codec = new Codec([fileOf(everything)])

const text = fc.string({ unit: 'grapheme', maxLength: 8 })
const rule = fc.record({
  port: fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 }),
  protocol: fc.constantFrom('tcp', 'in-use'),
})
const sample = fc.record(
  {
    text,
    small: fc.integer(),
    large: fc.maxSafeInteger(),
    ratio: fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => (value === 0 ? 0 : value)),
    flag: fc.boolean(),
    kind: fc.constantFrom('a', 'b'),
    note: fc.option(text),
    limit: fc.maxSafeInteger(),
    tags: fc.array(text),
    sizes: fc.array(fc.maxSafeInteger()),
    labels: fc.dictionary(text, text, { noNullPrototype: true }),
    rule: fc.option(rule),
    rules: fc.array(rule),
    changedTags: fc.array(text),
    changedNote: fc.option(text),
    data: fc.uint8Array().map((data) => Buffer.from(data)),
  },
  {
    requiredKeys: [
      ...(['text', 'small', 'large', 'ratio', 'flag', 'kind', 'note', 'tags', 'sizes', 'labels'] as const),
      ...(['rule', 'rules', 'data'] as const),
    ],
    noNullPrototype: true,
  },
)

describe('codec', () => {
  it('gives back what it was given, and the contract accepts it', () => {
    fc.assert(
      fc.property(sample, (value) => {
        const decoded = codec.decode(TYPE, codec.encode(TYPE, value), true)
        expect(decoded).toEqual(value)
        expect(everything.schema.safeParse(decoded).success).toBe(true)
      }),
    )
  })

  it('tells what is absent from what is empty where the contract does', () => {
    const { changedTags, changedNote } = codec.decode(
      TYPE,
      codec.encode(TYPE, { changedTags: [], changedNote: null }),
      true,
    )
    expect([changedTags, changedNote]).toEqual([[], null])
    const absent = codec.decode(TYPE, new Uint8Array(), true)
    expect(absent).not.toHaveProperty('changedTags')
    expect(absent).not.toHaveProperty('changedNote')
    expect(absent).not.toHaveProperty('limit')
    expect(absent).not.toHaveProperty('kind')
    expect(absent).toMatchObject({
      text: '',
      small: 0,
      flag: false,
      note: null,
      tags: [],
      labels: {},
      rule: null,
    })
  })

  it.each([
    ['an unknown field', [0xa2, 0x06, 1, 65], 'unknown field 100'],
    [
      'an unknown field of a nested message',
      [0x62, 2, 0x18, 1],
      'unknown field 3 in ultracloud.test.v1.Sample.Rule',
    ],
    ['a wrong wire type', [0x08, 1], 'text: has the wrong wire type'],
    ['text that is no UTF-8', [0x0a, 1, 0xff], 'the bytes are no ultracloud.test.v1.Sample'],
    ['bytes that end too early', [0x0a, 9, 65], 'the bytes are no ultracloud.test.v1.Sample'],
    ['an unknown enum number', [0x30, 9], 'kind: 9 is none of'],
    [
      'an integer beyond 2^53',
      [0x18, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
      'large: is beyond 2^53',
    ],
  ])('refuses %s and says where', (_, bytes, problem) => {
    expect(() => codec.decode(TYPE, Uint8Array.from(bytes), true)).toThrow(problem)
  })

  it('takes any bytes without another error than its own', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
        try {
          codec.decode(TYPE, bytes, true)
        } catch (error) {
          expect((error as Error).name).toBe('WireError')
        }
      }),
    )
  })

  it('skips what a newer server says', () => {
    expect(codec.decode(TYPE, Uint8Array.from([0x0a, 1, 65, 0xa2, 0x06, 1, 65]), false)['text']).toBe('A')
  })
})

describe('derivation', () => {
  it('prints proto3 with prefixed enums that begin at zero', () => {
    const printed = printFile(fileOf(message({ rule: [1, Rule.schema], tagNames: [3, z.array(z.string())] })))
    expect(printed).toContain(
      '    enum Protocol {\n      PROTOCOL_UNSPECIFIED = 0;\n      PROTOCOL_TCP = 1;\n',
    )
    expect(printed).toContain('      PROTOCOL_IN_USE = 2;\n')
    expect(printed).toContain(
      '  .ultracloud.test.v1.Sample.Rule rule = 1;\n  repeated string tag_names = 3;\n',
    )
  })

  it('keeps a nested message that was refined', () => {
    const refined = Rule.schema.refine(({ port }) => port !== 7)
    expect(printFile(fileOf(message({ rules: [1, z.array(refined)] })))).toContain('int32 port = 1;')
  })

  it.each([
    ['a union', z.union([z.string(), z.int()]), "bad: zod's union has no form on the wire"],
    ['an object without numbers', z.object({ a: z.string() }), 'bad: a nested object has no field numbers'],
    ['a nullable list', z.array(z.string()).nullable(), 'bad: a list or a map is empty, never null'],
    [
      'a list of nullable items',
      z.array(z.string().nullable()),
      'bad: what a list or a map holds can not be absent',
    ],
    ['enum values that collide', z.enum(['in-use', 'in_use']), 'bad: two enum values have the same name'],
    [
      'a map with keys that are no strings',
      z.record(z.enum(['a']), z.string()),
      'bad: the keys of a map must be strings',
    ],
  ])('refuses %s and names the field', (_, schema, problem) => {
    expect(() => fileOf(message({ bad: [1, schema] }))).toThrow(problem)
  })

  it('refuses a field name that JSON clients would spell otherwise', () => {
    expect(() => fileOf(message({ dnsIP: [1, z.string()] }))).not.toThrow()
    expect(() => fileOf(message({ dns_name: [1, z.string()] }))).toThrow('dns_name')
  })
})
