import fc from 'fast-check'
import { expect, it } from 'vitest'
import { FrameReader, frame } from './frames.ts'

it('messages come out as they went in, however they are cut, and stay as they are', () => {
  const messages = fc.array(fc.uint8Array({ maxLength: 700 }), { maxLength: 12 })
  fc.assert(
    fc.property(messages, fc.array(fc.nat(400), { maxLength: 60 }), (each, cuts) => {
      const whole = Buffer.concat(each.map((message) => frame(message)))
      const reader = new FrameReader(700)
      const got: Buffer[] = []
      let at = 0
      for (const cut of [...cuts, whole.length]) {
        got.push(...reader.take(Buffer.from(whole.subarray(at, at + cut))))
        at = Math.min(whole.length, at + cut)
      }
      expect(got.map((message) => message.toString('hex'))).toEqual(
        each.map((message) => Buffer.from(message).toString('hex')),
      )
      expect(reader.rest).toBe(0)
    }),
  )
})

it('of a message that is not whole, what came along with it is not kept', () => {
  const reader = new FrameReader(1000)
  const chunk = Buffer.alloc(64 * 1024)
  frame(Buffer.from('abc')).copy(chunk)
  reader.take(chunk.subarray(0, 6))
  chunk.fill(0xff)
  expect(reader.rest).toBe(6)
  expect(reader.take(Buffer.from('bc')).map(String)).toEqual(['abc'])
})
