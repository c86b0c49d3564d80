import { describe, expect, it } from 'vitest'
import { RowHash } from './row_hash.ts'

const hex = (text: string): string =>
  Array.from(new RowHash().of(text), (word) => word.toString(16).padStart(8, '0')).join('')

describe('the hash of a row', () => {
  it.each([
    ['', '00000000000000000000000000000000'],
    ['The quick brown fox jumps over the lazy dog', '2f1583c3ecee2c675d7bf66ce5e91d2c'],
    ['I will not buy this record, it is scratched.', 'a0a9683b25ac5e40d9af2895890dddf5'],
    [
      'MurmurHash3 was written by Austin Appleby, and is placed in the public',
      '6d3583489d9d1e5a898493af67e2ad10',
    ],
  ])('is MurmurHash3_x86_128: %s', (text, expected) => {
    expect(hex(text)).toBe(expected)
  })
})
