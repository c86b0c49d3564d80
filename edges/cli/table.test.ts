import { describe, expect, it } from 'vitest'
import { pairs, table } from './table.ts'

describe('a table', () => {
  it('is as wide as what is in it, with numbers to the right', () => {
    const rows = [
      ['vm1', '2', '-'],
      ['a-long-name', '16', '-'],
      ['x', '-', '-'],
    ]
    expect(table(['NAME', 'VCPUS', 'HOST'], rows)).toEqual([
      'NAME         VCPUS  HOST',
      'vm1              2  -',
      'a-long-name     16  -',
      'x                -  -',
    ])
    expect(table(['NAME', 'HOST'], [])).toEqual(['NAME  HOST'])
  })

  it('counts neither colors nor halves of characters', () => {
    const rows = [
      ['\u001B[31mred\u001B[39m', 'a'],
      ['𝒳𝒴𝒵', 'b'],
    ]
    expect(table(['N', 'V'], rows)).toEqual(['N    V', '\u001B[31mred\u001B[39m  a', '𝒳𝒴𝒵  b'])
    expect(
      pairs([
        ['uid', '1'],
        ['address', ''],
      ]),
    ).toEqual(['  uid      1', '  address'])
  })
})
