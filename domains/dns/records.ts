import { isIPv4, isIPv6 } from 'node:net'

/** The record types a zone may hold. */
export const recordTypes = ['A', 'AAAA', 'NS', 'CNAME', 'MX', 'TXT', 'SRV', 'PTR', 'CAA', 'SOA'] as const
export type RecordType = (typeof recordTypes)[number]

export type RecordErrorCode = 'DNS_NAME_INVALID' | 'DNS_VALUE_INVALID'

export interface RecordError {
  readonly ok: false
  readonly code: RecordErrorCode
  /** One sentence for the user that names the offending part. */
  readonly message: string
}

export interface DomainName {
  /** Lower case, RFC 1035 section 5.1 escapes, no trailing dot; the root is `.`. */
  readonly text: string
  /** Wire form (RFC 1035 section 3.1) without the root's zero octet, one character an octet. */
  readonly wire: string
}

/**
 * A record's data in wire form, one character an octet: octets, then domain names, then octets. Names stand apart
 * because a server may compress them (RFC 3597 section 4 says of which types).
 */
export interface RecordData {
  readonly before: string
  /** Each without the root's zero octet. */
  readonly names: readonly string[]
  readonly after: string
}

export interface ParsedValue {
  readonly ok: true
  /** The one canonical presentation: two values mean the same if and only if it is equal. */
  readonly value: string
  readonly data: RecordData
}

/** Octets, RFC 1035 section 2.3.4. */
const labelLengthMax = 63
/** Octets with the root's zero octet, RFC 1035 section 2.3.4. */
const nameLengthMax = 255
/** Characters of a value; far above what a UDP answer carries, far below a message's 65,535 octets. */
const valueLengthMax = 16_384
/** Octets of all the strings of a TXT value: with every octet escaped it is still no longer than a value may be. */
const textLengthMax = 4_000
/** Octets, RFC 1035 section 3.3: a character-string has one length octet. */
const characterStringLengthMax = 255

/** What nearly every name is: canonical already, so that a row costs no walk over its octets. */
const plainName = /^[a-z0-9_*-]+(?:\.[a-z0-9_*-]+)*$/

/** Characters that mean something to a master file and so need a backslash (RFC 1035 section 5.1). */
const specialCharacters = '."\\();@$'

/**
 * Parses an absolute domain name; a trailing dot may be given or left out. Case is folded as RFC 4343 says; any octet
 * may be written with RFC 1035 section 5.1 escapes. Unicode names must come as their A-labels (`xn--…`, RFC 5890).
 */
export function parseName(text: string): { readonly ok: true; readonly name: DomainName } | RecordError {
  if (text === '.') return { ok: true, name: { text: '.', wire: '' } }
  if (text === '') return nameError('A name must not be empty.')
  if (text.length > nameLengthMax * 4) return nameError('The name is longer than 255 octets.')
  if (plainName.test(text)) return nameOf(text.split('.'), text)
  const labels: string[] = []
  let label = ''
  for (let index = 0; index < text.length; ) {
    const character = text.charAt(index)
    if (character === '.') {
      if (label === '') return nameError(`The name '${text}' has an empty label.`)
      labels.push(label)
      label = ''
      index += 1
      continue
    }
    const octet = octetAt(text, index)
    if (octet === null)
      return nameError(`The name '${text}' has a character or an escape that is not allowed.`)
    label += lowerCase(octet.character)
    index += octet.length
  }
  if (label !== '') labels.push(label)
  return nameOf(labels, text)
}

function nameOf(labels: readonly string[], text: string): ReturnType<typeof parseName> {
  let wire = ''
  for (const label of labels) {
    if (label.length > labelLengthMax)
      return nameError(`The name '${text}' has a label longer than 63 octets.`)
    wire += String.fromCharCode(label.length) + label
  }
  if (wire.length + 1 > nameLengthMax) return nameError(`The name '${text}' is longer than 255 octets.`)
  return { ok: true, name: { text: labels.map(escapeLabel).join('.'), wire } }
}

/** The canonical text of a name (lower case, no trailing dot), or why it is none. */
export function normalizeName(text: string): { readonly ok: true; readonly name: string } | RecordError {
  const parsed = parseName(text)
  return parsed.ok ? { ok: true, name: parsed.name.text } : parsed
}

/**
 * The name form of a zone's mailbox (RFC 1035 section 8), from that form or from `local@domain`; dots of the local part are
 * escaped, as they are inside one label.
 */
export function parseMailbox(text: string): ReturnType<typeof parseName> {
  const at = text.indexOf('@')
  if (at < 0) return parseName(text)
  return parseName(`${text.slice(0, at).replaceAll('.', '\\.')}.${text.slice(at + 1)}`)
}

/**
 * Parses a value in presentation format. Names in a value are absolute with or without the trailing dot. A TXT value
 * that begins with a quote is a list of quoted character-strings; any other is taken as it is, in UTF-8, split at
 * 255 octets.
 */
export function parseValue(type: RecordType, value: string): ParsedValue | RecordError {
  if (value.length > valueLengthMax) return valueError(type, `is longer than ${valueLengthMax} characters`)
  switch (type) {
    case 'A':
      return parseAddress4(value)
    case 'AAAA':
      return parseAddress6(value)
    case 'NS':
    case 'CNAME':
    case 'PTR':
      return parseFields(type, value, ['name'])
    case 'MX':
      return parseFields(type, value, ['preference', 'name'])
    case 'SRV':
      return parseFields(type, value, ['priority', 'weight', 'port', 'name'])
    case 'SOA':
      return parseFields(type, value, ['name', 'name', 'serial', 'refresh', 'retry', 'expire', 'minimum'])
    case 'TXT':
      return parseText(value)
    case 'CAA':
      return parseCertificateAuthority(value)
  }
}

/** The canonical presentation of a value, or why it is none. */
export function normalizeValue(
  type: RecordType,
  value: string,
): { readonly ok: true; readonly value: string } | RecordError {
  const parsed = parseValue(type, value)
  return parsed.ok ? { ok: true, value: parsed.value } : parsed
}

/** RFC 1035 section 3.4.1: four decimal octets, no leading zeros. */
function parseAddress4(value: string): ParsedValue | RecordError {
  if (!isIPv4(value)) return valueError('A', `'${value}' is not an IPv4 address`)
  return parsedOctets(value, String.fromCharCode(...value.split('.').map(Number)))
}

/** RFC 3596 section 2.2; the text is that of RFC 5952. */
function parseAddress6(value: string): ParsedValue | RecordError {
  if (!isIPv6(value) || value.includes('%')) return valueError('AAAA', `'${value}' is not an IPv6 address`)
  const groups = groupsOf(value)
  return parsedOctets(
    addressText(groups),
    groups.map((group) => String.fromCharCode(group >> 8, group & 0xff)).join(''),
  )
}

/** The eight 16-bit groups of a valid IPv6 address. */
function groupsOf(address: string): number[] {
  const parse = (part: string): number[] =>
    part === ''
      ? []
      : part.split(':').flatMap((group) => {
          if (!group.includes('.')) return [Number.parseInt(group, 16)]
          const [a = 0, b = 0, c = 0, d = 0] = group.split('.').map(Number)
          return [(a << 8) | b, (c << 8) | d]
        })
  const [head = '', tail] = address.split('::')
  const before = parse(head)
  if (tail === undefined) return before
  const after = parse(tail)
  return [...before, ...Array<number>(8 - before.length - after.length).fill(0), ...after]
}

/** RFC 5952 sections 4 and 5. */
function addressText(groups: readonly number[]): string {
  const mapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff
  if (mapped) {
    const octets = groups.slice(6).flatMap((group) => [group >> 8, group & 0xff])
    return `::ffff:${octets.join('.')}`
  }
  let start = 0
  let length = 1
  for (let from = 0; from < groups.length; from += 1) {
    let to = from
    while (to < groups.length && groups[to] === 0) to += 1
    if (to - from > length) [start, length] = [from, to - from]
  }
  const hex = (part: readonly number[]): string => part.map((group) => group.toString(16)).join(':')
  return length < 2 ? hex(groups) : `${hex(groups.slice(0, start))}::${hex(groups.slice(start + length))}`
}

/** Octets of each integer field; a field that is not here is a name. */
const fieldOctets: Readonly<Record<string, number>> = {
  preference: 2,
  priority: 2,
  weight: 2,
  port: 2,
  serial: 4,
  refresh: 4,
  retry: 4,
  expire: 4,
  minimum: 4,
}

function parseFields(type: RecordType, value: string, fields: readonly string[]): ParsedValue | RecordError {
  const parts = value.trim().split(/[ \t]+/)
  if (parts.length !== fields.length) return valueError(type, `'${value}' must be: ${fields.join(' ')}`)
  let before = ''
  let after = ''
  const names: string[] = []
  const texts: string[] = []
  for (const [index, field] of fields.entries()) {
    const part = parts[index] ?? ''
    const octets = fieldOctets[field]
    if (octets === undefined) {
      const parsed = parseName(part)
      if (!parsed.ok) return valueError(type, `'${value}': ${parsed.message}`)
      names.push(parsed.name.wire)
      texts.push(parsed.name.text === '.' ? '.' : `${parsed.name.text}.`)
      continue
    }
    const integer = parseInteger(part, 256 ** octets - 1)
    if (integer === null) return valueError(type, `'${value}': ${field} must be 0 to ${256 ** octets - 1}`)
    const encoded = integerOctets(integer, octets)
    if (names.length === 0) before += encoded
    else after += encoded
    texts.push(String(integer))
  }
  return { ok: true, value: texts.join(' '), data: { before, names, after } }
}

/** RFC 1035 section 3.3.14. */
function parseText(value: string): ParsedValue | RecordError {
  if (value === '') return valueError('TXT', 'must not be empty: an empty text is written ""')
  const strings = value.startsWith('"')
    ? parseQuoted(value)
    : split(Buffer.from(value, 'utf8').toString('latin1'), characterStringLengthMax)
  if (strings === null) return valueError('TXT', 'is not a list of quoted strings')
  if (strings.some((text) => text.length > characterStringLengthMax)) {
    return valueError('TXT', 'has a quoted string longer than 255 octets')
  }
  if (strings.reduce((sum, text) => sum + text.length + 1, 0) > textLengthMax) {
    return valueError('TXT', `is longer than ${textLengthMax} octets`)
  }
  return parsedOctets(
    strings.map(quote).join(' '),
    strings.map((text) => String.fromCharCode(text.length) + text).join(''),
  )
}

/** RFC 8659 section 4.1. */
function parseCertificateAuthority(value: string): ParsedValue | RecordError {
  const match = /^\s*(\d+)[ \t]+([A-Za-z0-9]{1,255})[ \t]+(\S.*)$/s.exec(value)
  const [, flagsText = '', tagText = '', rest = ''] = match ?? []
  const flags = parseInteger(flagsText, 255)
  if (match === null || flags === null) return valueError('CAA', `'${value}' must be: flags tag "value"`)
  const strings = rest.startsWith('"') ? parseQuoted(rest) : parseUnquoted(rest.trim())
  const text = strings?.[0]
  if (strings?.length !== 1 || text === undefined) return valueError('CAA', `'${value}' must have one value`)
  const tag = tagText.toLowerCase()
  return parsedOctets(`${flags} ${tag} ${quote(text)}`, String.fromCharCode(flags, tag.length) + tag + text)
}

/** Quoted character-strings separated by blanks (RFC 1035 section 5.1), or null where the text is something else. */
function parseQuoted(text: string): string[] | null {
  const strings: string[] = []
  let index = 0
  while (index < text.length) {
    if (text.charAt(index) !== '"') return null
    index += 1
    let string = ''
    while (index < text.length && text.charAt(index) !== '"') {
      const octet = text.charAt(index) === '\\' ? octetAt(text, index) : utf8At(text, index)
      if (octet === null) return null
      string += octet.character
      index += octet.length
    }
    if (index >= text.length) return null
    strings.push(string)
    index += 1
    const blank = /^[ \t]+/.exec(text.slice(index, index + 64))?.[0].length ?? 0
    if (blank === 0 && index < text.length) return null
    index += blank
  }
  return strings
}

function parseUnquoted(text: string): string[] | null {
  return /^[\x21-\x7e]+$/.test(text) && !/["\\]/.test(text) ? [text] : null
}

/** The octet written at `index` of a name, plain or escaped, or null where it is not allowed there. */
function octetAt(
  text: string,
  index: number,
): { readonly character: string; readonly length: number } | null {
  const character = text.charAt(index)
  if (character !== '\\') return /[\x21-\x7e]/.test(character) ? { character, length: 1 } : null
  const decimal = /^\d{3}/.exec(text.slice(index + 1, index + 4))?.[0]
  if (decimal !== undefined) {
    const octet = Number(decimal)
    return octet <= 255 ? { character: String.fromCharCode(octet), length: 4 } : null
  }
  const escaped = text.charAt(index + 1)
  return /[\x20-\x2f\x3a-\x7e]/.test(escaped) ? { character: escaped, length: 2 } : null
}

function utf8At(text: string, index: number): { readonly character: string; readonly length: number } {
  const point = text.codePointAt(index) ?? 0
  const character = String.fromCodePoint(point)
  if (point < 0x80) return { character, length: 1 }
  return { character: Buffer.from(character, 'utf8').toString('latin1'), length: character.length }
}

/** RFC 4343: only A to Z are folded, whatever the octets around them mean. */
function lowerCase(character: string): string {
  return character >= 'A' && character <= 'Z' ? character.toLowerCase() : character
}

function escapeLabel(label: string): string {
  let text = ''
  if (!label.includes('.') && plainName.test(label)) return label
  for (const character of label) {
    if (specialCharacters.includes(character)) text += `\\${character}`
    else text += /[\x21-\x7e]/.test(character) ? character : decimalEscape(character)
  }
  return text
}

function quote(octets: string): string {
  let text = ''
  for (const character of octets) {
    if (character === '"' || character === '\\') text += `\\${character}`
    else text += /[\x20-\x7e]/.test(character) ? character : decimalEscape(character)
  }
  return `"${text}"`
}

function decimalEscape(character: string): string {
  return `\\${String(character.charCodeAt(0)).padStart(3, '0')}`
}

function split(text: string, length: number): string[] {
  const parts: string[] = []
  for (let index = 0; index < text.length; index += length) parts.push(text.slice(index, index + length))
  return parts
}

function parseInteger(text: string, max: number): number | null {
  if (!/^\d{1,10}$/.test(text)) return null
  const integer = Number(text)
  return integer <= max ? integer : null
}

function integerOctets(integer: number, octets: number): string {
  let text = ''
  for (let shift = octets - 1; shift >= 0; shift -= 1) {
    text += String.fromCharCode(Math.floor(integer / 256 ** shift) % 256)
  }
  return text
}

function parsedOctets(value: string, before: string): ParsedValue {
  return { ok: true, value, data: { before, names: [], after: '' } }
}

function nameError(message: string): RecordError {
  return { ok: false, code: 'DNS_NAME_INVALID', message }
}

function valueError(type: RecordType, what: string): RecordError {
  return { ok: false, code: 'DNS_VALUE_INVALID', message: `The ${type} value ${what}.` }
}
