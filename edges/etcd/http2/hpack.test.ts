import { describe, expect, it } from 'vitest'
import { HEADER_LIST_BYTES_MAX, HeaderDecoder, headerBlock } from './hpack.ts'
import { ProtocolError } from './protocol.ts'

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(' ', ''), 'hex')

describe('header blocks', () => {
  it('are read as RFC 7541 shows it, without Huffman code (C.3) and with it (C.4)', () => {
    for (const blocks of [
      [
        '8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d',
        '8286 84be 5808 6e6f 2d63 6163 6865',
        '8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65',
      ],
      [
        '8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff',
        '8286 84be 5886 a8eb 1064 9cbf',
        '8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf',
      ],
    ]) {
      const decoder = new HeaderDecoder()
      const [first, second, third] = blocks.map((block) => decoder.decode(hex(block)).headers)
      const host = { ':authority': 'www.example.com' }
      expect({ ...first }).toEqual({ ':method': 'GET', ':scheme': 'http', ':path': '/', ...host })
      expect(second).toMatchObject({ ...host, 'cache-control': 'no-cache' })
      expect(third).toMatchObject({
        ':scheme': 'https',
        ':path': '/index.html',
        ...host,
        'custom-key': 'custom-value',
      })
    }
  })

  it('of this side are read back as they were, and leave the table alone', () => {
    const headers = { ':status': '200', 'content-type': 'application/grpc', 'grpc-message': 'x'.repeat(300) }
    const decoder = new HeaderDecoder()
    for (let i = 0; i < 2; i++) expect({ ...decoder.decode(headerBlock(headers)).headers }).toEqual(headers)
    expect(() => decoder.decode(hex('be'))).toThrow(ProtocolError)
  })

  it('forget the oldest headers above the bound of the table, and what a smaller one has no room for', () => {
    const decoder = new HeaderDecoder()
    const field = (name: string, value: string): Buffer =>
      Buffer.concat([
        Buffer.from([0x40, name.length]),
        Buffer.from(name),
        Buffer.from([value.length]),
        Buffer.from(value),
      ])
    const value = 'v'.repeat(100)
    for (let i = 0; i < 40; i++) decoder.decode(field(`n${String(i).padStart(2, '0')}`, value))
    expect({ ...decoder.decode(hex('be')).headers }).toEqual({ n39: value })
    expect(() => decoder.decode(hex('db'))).not.toThrow()
    expect(() => decoder.decode(hex('dc'))).toThrow('there is no header')
    decoder.decode(hex('20'))
    expect(() => decoder.decode(hex('be'))).toThrow('there is no header')
  })

  it('join values of one name, and take no name for something else', () => {
    const twice = headerBlock({ a: '1' })
    const { headers } = new HeaderDecoder().decode(
      Buffer.concat([twice, headerBlock({ a: '2', __proto__x: '3' })]),
    )
    expect(headers['a']).toBe('1, 2')
    const { headers: proto } = new HeaderDecoder().decode(
      Buffer.concat([Buffer.from([0, 9]), Buffer.from('__proto__'), Buffer.from([1, 0x78])]),
    )
    expect(Object.keys(proto)).toEqual(['__proto__'])
  })

  it.each([
    ['an index that is not there', 'c0'],
    ['index 0', '80'],
    ['a name that is cut short', '4003 61'],
    ['a number without an end', 'ffff ffff ffff ffff'],
    ['a table larger than allowed', '3fe2 1f'],
    ['Huffman code that ends within a symbol', '0001 6181 ee'],
    ['Huffman code with the end-of-string code', '0001 6184 ffff ffff'],
  ])('refuse %s', (_, block) => {
    expect(() => new HeaderDecoder().decode(hex(block))).toThrow(ProtocolError)
  })

  it('refuse more than the bound, however few bytes say it', () => {
    const decoder = new HeaderDecoder()
    const long = Buffer.concat([Buffer.from([0x40, 1, 0x61, 0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 'v')])
    decoder.decode(long)
    const bomb = Buffer.alloc(Math.ceil(HEADER_LIST_BYTES_MAX / 4000) + 1, 0xbe)
    expect(() => decoder.decode(bomb)).toThrow('headers of more than')
  })
})
