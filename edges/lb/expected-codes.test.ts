import { expect, test } from 'vitest'
import { isExpected, parseExpectedCodes } from './expected-codes.ts'

test.each([
  { text: '200', yes: [200], no: [199, 201, 404] },
  { text: '200,204', yes: [200, 204], no: [201, 203] },
  { text: '200-299, 304', yes: [200, 250, 299, 304], no: [199, 300, 303] },
])('$text', ({ text, yes, no }) => {
  const ranges = parseExpectedCodes(text)
  expect(ranges).not.toBeNull()
  for (const code of yes) expect(isExpected(code, ranges ?? [])).toBe(true)
  for (const code of no) expect(isExpected(code, ranges ?? [])).toBe(false)
})

test.each(['', 'ok', '20', '600', '299-200', '200-', '200,,204'])('"%s" is refused', (text) => {
  expect(parseExpectedCodes(text)).toBeNull()
})
