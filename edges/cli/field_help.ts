import type { Field, FieldType } from './field_type.ts'

const SCHEMA_DEPTH_MAX = 3
const LONG_TEXT = 8192

/** `<name>`, `<n>`, `<key=value>`: what stands for a flag's value in a help; undefined for a boolean, which has none. */
export function placeholder(type: FieldType): string | undefined {
  switch (type.kind) {
    case 'text':
      return `<${type.form}>`
    case 'number':
      return '<n>'
    case 'boolean':
      return undefined
    case 'choice':
      return '<choice>'
    case 'list':
      return type.item.kind === 'object' ? '<json>' : (placeholder(type.item) ?? '<boolean>')
    case 'map':
      return '<key=value>'
    case 'object':
      return '<json>'
  }
}

/** One field as a help says it: its doc, what it takes, what counts without it. */
export function fieldHelp(field: Field): string {
  const parts = [field.doc, typeHelp(field.type, field.key), fallbackHelp(field)]
  return parts.filter((part) => part !== '').join('; ')
}

function typeHelp(type: FieldType, key: string): string {
  switch (type.kind) {
    case 'text':
      if (isLongText(type)) return 'or @file'
      return type.form !== 'text' || type.maximum === undefined ? '' : `at most ${type.maximum} characters`
    case 'number':
      return isTime(key) ? 'a time such as 2030-01-31T12:00:00Z, or milliseconds since 1970' : range(type)
    case 'boolean':
      return ''
    case 'choice':
      return type.choices.join(', ')
    case 'list':
      return type.item.kind === 'object'
        ? `once for each, or all at once as [{…},…], or @file: ${jsonShape(type.item, 0)}`
        : ['once for each', typeHelp(type.item, '')].filter((part) => part !== '').join('; ')
    case 'map':
      return 'once for each'
    case 'object':
      return `or @file: ${jsonShape(type, 0)}`
  }
}

/** Whether a text may well come from a file. */
export function isLongText(type: FieldType): boolean {
  return type.kind === 'text' && (type.maximum ?? 0) >= LONG_TEXT
}

/** Whether a number is a moment: contracts say milliseconds since 1970. */
export function isTime(key: string): boolean {
  return key.endsWith('At') || key === 'since'
}

function range({ integer, minimum, maximum }: Extract<FieldType, { kind: 'number' }>): string {
  const low = minimum > Number.MIN_SAFE_INTEGER ? String(minimum) : ''
  const high = maximum < Number.MAX_SAFE_INTEGER ? String(maximum) : ''
  const what = integer ? '' : 'a number'
  if (low === '' && high === '') return integer ? 'an integer' : what
  if (high === '') return `${what === '' ? '' : `${what}, `}${low} or more`
  return `${what === '' ? '' : `${what}, `}${low} to ${high}`
}

function fallbackHelp({ required, nullable, fallback, type }: Field): string {
  if (fallback !== undefined && !isEmpty(fallback)) return `default ${shown(fallback)}`
  if (nullable) return 'null: none'
  return required && type.kind === 'boolean' ? 'one of the two must be said' : ''
}

function isEmpty(value: unknown): boolean {
  return value === '' || (typeof value === 'object' && value !== null && Object.keys(value).length === 0)
}

function shown(value: unknown): string {
  if (typeof value === 'string') return value
  return Array.isArray(value) ? value.map(shown).join(', ') : JSON.stringify(value)
}

/** `{direction: ingress|egress, portFirst?: 0 to 65535}`: a question mark for what may be left out. */
function jsonShape(type: FieldType, depth: number): string {
  switch (type.kind) {
    case 'object': {
      if (depth >= SCHEMA_DEPTH_MAX) return '{…}'
      const fields = type.fields.map(
        ({ key, required, type: inner }) => `${key}${required ? '' : '?'}: ${jsonShape(inner, depth + 1)}`,
      )
      return `{${fields.join(', ')}}`
    }
    case 'list':
      return `[${jsonShape(type.item, depth + 1)}, …]`
    case 'map':
      return '{"key": "value", …}'
    case 'choice':
      return type.choices.join('|')
    case 'number':
      return range(type)
    case 'boolean':
      return 'true|false'
    case 'text':
      return type.form
  }
}
