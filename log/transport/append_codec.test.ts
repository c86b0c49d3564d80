import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import protobuf from 'protobufjs'
import { expect, it } from 'vitest'
import type { AppendRequest, AppendResponse } from '../raft/types.ts'
import { appendRequest, appendResponse } from './append_codec.ts'

const { root } = protobuf.parse(readFileSync(new URL('./chainfire.proto', import.meta.url), 'utf8'))
const typeOf = (name: string) => root.lookupType(`ultracloud.chainfire.v1.${name}`)

const id = fc.integer({ min: 0, max: 5 })
const number = fc.oneof(fc.maxSafeNat(), fc.nat(300))
const request: fc.Arbitrary<AppendRequest> = fc
  .record({
    type: fc.constant('append_request' as const),
    from: id,
    to: id,
    term: number,
    previousIndex: fc.nat(2 ** 50),
    previousTerm: number,
    entries: fc.array(
      fc.record({
        index: fc.constant(0),
        term: number,
        kind: fc.constantFrom('noop' as const, 'data' as const),
        payload: fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes)),
      }),
    ),
    commit: number,
    readTag: number,
    timeoutNow: fc.boolean(),
  })
  .map((message) => ({
    ...message,
    entries: message.entries.map((entry, at) => ({ ...entry, index: message.previousIndex + 1 + at })),
  }))
const response: fc.Arbitrary<AppendResponse> = fc.record({
  type: fc.constant('append_response' as const),
  from: id,
  to: id,
  term: number,
  success: fc.boolean(),
  index: number,
  hintIndex: number,
  hintTerm: number,
  readTag: number,
  recovery: number,
  neededTerm: number,
})

it('writes the bytes that the contract says, and reads them back', () => {
  fc.assert(
    fc.property(request, (message) => {
      const bytes = appendRequest.encode(message)
      const entries = message.entries.map(({ term, kind, payload }) => ({
        term,
        kind: kind === 'noop' ? 1 : 2,
        payload,
      }))
      const expected = typeOf('AppendEntriesRequest')
        .encode({ ...message, entries })
        .finish()
      expect(bytes.equals(expected)).toBe(true)
      const read = appendRequest.decode(bytes)
      expect({
        ...read,
        entries: read.entries.map((entry) => ({ ...entry, payload: Buffer.from(entry.payload) })),
      }).toEqual(message)
    }),
  )
  fc.assert(
    fc.property(response, (message) => {
      const bytes = appendResponse.encode(message)
      expect(bytes.equals(typeOf('AppendEntriesResponse').encode(message).finish())).toBe(true)
      expect(appendResponse.decode(bytes)).toEqual(message)
    }),
  )
})

it('refuses what is cut short, out of range or of an unknown kind', () => {
  const entry = { index: 2, term: 1, kind: 'data' as const, payload: Buffer.from('payload') }
  const message: AppendRequest = {
    type: 'append_request',
    from: 1,
    to: 2,
    term: 1,
    previousIndex: 1,
    previousTerm: 1,
    entries: [entry],
    commit: 0,
    readTag: 0,
    timeoutNow: false,
  }
  const bytes = appendRequest.encode(message)
  const cut = bytes.subarray(0, bytes.length - 1)
  expect(() => appendRequest.decode(cut)).toThrow(RangeError)
  const strange = Buffer.from(bytes)
  strange[strange.indexOf(Buffer.from([0x10, 2, 0x1a])) + 1] = 9
  expect(() => appendRequest.decode(strange)).toThrow('unknown kind of entry')
  const large = typeOf('AppendEntriesResponse')
    .encode({ index: 2 ** 60 })
    .finish()
  expect(() => appendResponse.decode(Buffer.from(large))).toThrow(RangeError)
})
