import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  normalizeName,
  normalizeValue,
  parseMailbox,
  parseName,
  parseValue,
  type RecordType,
  recordTypes,
} from './records.ts'

describe('names', () => {
  test.each([
    ['Web.Demo.TEST.', 'web.demo.test'],
    ['*.demo.test', '*.demo.test'],
    ['_http._tcp.demo.test', '_http._tcp.demo.test'],
    ['.', '.'],
    ['a\\.b.test', 'a\\.b.test'],
    ['\\097\\066.test', 'ab.test'],
    ['\\000\\255.test', '\\000\\255.test'],
    ['a@b.test', 'a\\@b.test'],
    [`${'a'.repeat(63)}.test`, `${'a'.repeat(63)}.test`],
    // 3 × 64 + 62 + the root's octet are 255.
    [
      `${`${'a'.repeat(63)}.`.repeat(3)}${'b'.repeat(61)}`,
      `${`${'a'.repeat(63)}.`.repeat(3)}${'b'.repeat(61)}`,
    ],
  ])('%s is %s', (text, name) => {
    expect(normalizeName(text)).toEqual({ ok: true, name })
  })

  test.each([
    ['', 'must not be empty'],
    ['a..test', 'empty label'],
    ['.test', 'empty label'],
    ['..', 'empty label'],
    [`${'a'.repeat(64)}.test`, 'longer than 63'],
    [`${`${'a'.repeat(63)}.`.repeat(3)}${'b'.repeat(62)}`, 'longer than 255'],
    ['x'.repeat(5000), 'longer than 255'],
    ['bücher.test', 'not allowed'],
    ['a b.test', 'not allowed'],
    ['a\\', 'not allowed'],
    ['a\\256', 'not allowed'],
    ['a\\12', 'not allowed'],
  ])('%s is refused: %s', (text, message) => {
    expect(normalizeName(text)).toMatchObject({
      ok: false,
      code: 'DNS_NAME_INVALID',
      message: expect.stringContaining(message),
    })
  })

  test('the wire form has a length octet before each label', () => {
    expect(parseName('Ab.c')).toMatchObject({ name: { wire: '\u0002ab\u0001c' } })
  })

  test('every label of any octets comes back from its text', () => {
    const label = fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 1, maxLength: 20 })
    fc.assert(
      fc.property(fc.array(label, { minLength: 1, maxLength: 5 }), (labels) => {
        const decimal = (octets: number[]): string =>
          octets.map((octet) => `\\${String(octet).padStart(3, '0')}`).join('')
        const parsed = parseName(labels.map(decimal).join('.'))
        if (!parsed.ok) throw new Error(parsed.message)
        expect(parseName(parsed.name.text)).toEqual(parsed)
      }),
    )
  })

  test('a mailbox may be an address', () => {
    expect(parseMailbox('host.master@demo.test')).toMatchObject({ name: { text: 'host\\.master.demo.test' } })
    expect(parseMailbox('hostmaster.demo.test')).toMatchObject({ name: { text: 'hostmaster.demo.test' } })
  })
})

describe('values', () => {
  test.each<[RecordType, string, string]>([
    ['A', '192.0.2.1', '192.0.2.1'],
    ['AAAA', '2001:DB8:0:0:1:0:0:1', '2001:db8::1:0:0:1'],
    ['AAAA', '2001:db8:0:1:1:1:1:1', '2001:db8:0:1:1:1:1:1'],
    ['AAAA', '0:0:0:0:0:0:0:0', '::'],
    ['AAAA', '::1', '::1'],
    ['AAAA', '1::', '1::'],
    ['AAAA', '::ffff:c000:201', '::ffff:192.0.2.1'],
    ['AAAA', '64:ff9b::192.0.2.1', '64:ff9b::c000:201'],
    ['CNAME', 'Web.Demo.Test', 'web.demo.test.'],
    ['NS', 'ns1.demo.test.', 'ns1.demo.test.'],
    ['PTR', 'web.demo.test', 'web.demo.test.'],
    ['MX', '010  Mail.demo.test', '10 mail.demo.test.'],
    ['MX', '0 .', '0 .'],
    ['SRV', '0 5 80 web.demo.test', '0 5 80 web.demo.test.'],
    ['TXT', 'v=spf1 -all', '"v=spf1 -all"'],
    ['TXT', '"a" "b;c"', '"a" "b;c"'],
    ['TXT', 'say "hi" \\', '"say \\"hi\\" \\\\"'],
    ['TXT', '""', '""'],
    ['TXT', 'ü', '"\\195\\188"'],
    ['TXT', '"ü\\065"', '"\\195\\188A"'],
    ['TXT', 'a'.repeat(300), `"${'a'.repeat(255)}" "${'a'.repeat(45)}"`],
    ['CAA', '0 ISSUE "ca.example; policy=ev"', '0 issue "ca.example; policy=ev"'],
    ['CAA', '128 issue ca.example', '128 issue "ca.example"'],
    ['CAA', '0 issue ""', '0 issue ""'],
    [
      'SOA',
      'ns1.demo.test hostmaster.demo.test 4294967295 1 2 3 4',
      'ns1.demo.test. hostmaster.demo.test. 4294967295 1 2 3 4',
    ],
  ])('%s %s is %s', (type, value, normalized) => {
    expect(normalizeValue(type, value)).toEqual({ ok: true, value: normalized })
    expect(normalizeValue(type, normalized)).toEqual({ ok: true, value: normalized })
  })

  test.each<[RecordType, string]>([
    ['A', '192.0.2.256'],
    ['A', '192.0.2'],
    ['A', '192.0.02.1'],
    ['A', '2001:db8::1'],
    ['A', ' 192.0.2.1'],
    ['A', '192.0.2.1\n'],
    ['AAAA', '192.0.2.1'],
    ['AAAA', 'fe80::1%eth0'],
    ['AAAA', '1:2:3:4:5:6:7:8:9'],
    ['CNAME', ''],
    ['CNAME', 'two names'],
    ['CNAME', 'a..b'],
    ['MX', 'mail.demo.test.'],
    ['MX', '65536 mail.demo.test.'],
    ['MX', '-1 mail.demo.test.'],
    ['MX', '1e3 mail.demo.test.'],
    ['SRV', '0 5 web.demo.test.'],
    ['SRV', '0 5 65536 web.demo.test.'],
    ['TXT', ''],
    ['TXT', '"open'],
    ['TXT', '"a""b"'],
    ['TXT', '"a" b'],
    ['TXT', '"bad \\300"'],
    ['TXT', `"${'a'.repeat(256)}"`],
    ['TXT', 'a'.repeat(4000)],
    ['TXT', 'a'.repeat(20_000)],
    ['CAA', '256 issue "ca"'],
    ['CAA', '0 is-sue "ca"'],
    ['CAA', '0 issue'],
    ['CAA', '0 issue "a" "b"'],
    ['CAA', '0 issue a b'],
    ['SOA', 'ns1.demo.test hostmaster.demo.test 4294967296 1 2 3 4'],
    ['SOA', 'ns1.demo.test hostmaster.demo.test 1 2 3 4'],
  ])('%s %s is refused', (type, value) => {
    expect(normalizeValue(type, value)).toMatchObject({
      ok: false,
      code: 'DNS_VALUE_INVALID',
      message: expect.stringContaining(`The ${type} value`),
    })
  })

  test('any text is taken as a TXT value or refused, and the canonical value is a fixed point', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
        const parsed = parseValue('TXT', text)
        if (!parsed.ok) {
          expect(text === '' || text.startsWith('"')).toBe(true)
          return
        }
        expect(parseValue('TXT', parsed.value)).toEqual(parsed)
      }),
    )
  })

  test('no text of any type throws', () => {
    fc.assert(
      fc.property(fc.constantFrom(...recordTypes), fc.string({ unit: 'binary' }), (type, text) => {
        const parsed = parseValue(type, text)
        if (parsed.ok) expect(normalizeValue(type, parsed.value)).toEqual({ ok: true, value: parsed.value })
        else expect(parsed.code).toBe('DNS_VALUE_INVALID')
      }),
      { numRuns: 1000 },
    )
  })

  test('every IPv6 address is the same address in its canonical form', () => {
    fc.assert(
      fc.property(fc.ipV6(), (address) => {
        const parsed = parseValue('AAAA', address)
        if (!parsed.ok) throw new Error(parsed.message)
        // The URL parser is another implementation of RFC 5952; it does not know the mixed notation.
        const url = new URL(`http://[${address}]/`).hostname.slice(1, -1)
        expect(parseValue('AAAA', url)).toEqual(parsed)
        if (!parsed.value.startsWith('::ffff:')) expect(parsed.value).toBe(url)
      }),
    )
  })
})
