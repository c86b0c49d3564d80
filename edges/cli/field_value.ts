import { usageError } from './exit_codes.ts'
import { fieldHelp, isLongText, isTime } from './field_help.ts'
import type { Field, FieldType } from './field_type.ts'
import { didYouMean } from './names.ts'

/** Reads `@file` and `@-`. */
export type ReadText = (file: string) => Promise<string>

/** What was said on the command line: once, several times, or `--flag` and `--no-flag`. */
export type RawValue = string | readonly string[] | boolean

/** A field's value as the contract has it. Throws a usage error naming the flag and what it takes. */
export async function fieldValue(
  field: Field,
  flag: string,
  raw: RawValue,
  readText: ReadText,
): Promise<unknown> {
  if (typeof raw === 'boolean') return raw
  const { type } = field
  if (type.kind === 'list' || type.kind === 'map') {
    const given = typeof raw === 'string' ? [raw] : raw
    return type.kind === 'list'
      ? await listValue(field, type.item, flag, given, readText)
      : await mapValue(field, type.value, flag, given, readText)
  }
  const text = typeof raw === 'string' ? raw : (raw.at(-1) ?? '')
  if (field.nullable && text === 'null') return null
  if (type.kind === 'object') return json(field, flag, await contents(text, flag, readText))
  if (isLongText(type)) return await contents(text, flag, readText)
  return scalar(type, field, flag, text)
}

async function listValue(
  field: Field,
  item: FieldType,
  flag: string,
  given: readonly string[],
  readText: ReadText,
): Promise<readonly unknown[]> {
  const values: unknown[] = []
  for (const each of given) {
    const whole =
      item.kind === 'object' ? json(field, flag, await contents(each, flag, readText)) : array(each)
    if (Array.isArray(whole)) values.push(...(whole as unknown[]))
    else values.push(item.kind === 'object' ? whole : scalar(item, field, flag, each))
  }
  return values
}

async function mapValue(
  field: Field,
  value: FieldType,
  flag: string,
  given: readonly string[],
  readText: ReadText,
): Promise<Readonly<Record<string, unknown>>> {
  const entries: [string, unknown][] = []
  for (const each of given) {
    const text = await contents(each, flag, readText)
    if (text.trimStart().startsWith('{')) {
      entries.push(...Object.entries(json(field, flag, text) as Record<string, unknown>))
      continue
    }
    const equals = text.indexOf('=')
    if (equals < 1)
      throw usageError(`${flag}: ${JSON.stringify(each)} is no key=value`, `For none at all: ${flag} '{}'`)
    entries.push([text.slice(0, equals), scalar(value, field, flag, text.slice(equals + 1))])
  }
  return Object.fromEntries(entries)
}

function scalar(type: FieldType, field: Field, flag: string, text: string): unknown {
  switch (type.kind) {
    case 'text':
      return text
    case 'number':
      return number(type, field, flag, text)
    case 'boolean':
      if (text === 'true' || text === 'false') return text === 'true'
      throw usageError(`${flag}: ${JSON.stringify(text)} is neither true nor false`)
    case 'choice':
      return choice(type.choices, flag, text)
    default:
      return json(field, flag, text)
  }
}

function number(
  type: Extract<FieldType, { kind: 'number' }>,
  field: Field,
  flag: string,
  text: string,
): number {
  const time = isTime(field.key) && /^\d{4}-\d\d-\d\d/.test(text) ? Date.parse(text) : Number.NaN
  const value = Number.isNaN(time) ? Number(text) : time
  const written =
    text.trim() !== '' && (!Number.isNaN(time) || /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i.test(text))
  if (written && Number.isFinite(value) && (!type.integer || Number.isSafeInteger(value))) return value
  const wanted = fieldHelp({ ...field, doc: '', fallback: undefined, nullable: false })
  throw usageError(
    `${flag}: ${JSON.stringify(text)} is no ${type.integer ? 'integer' : 'number'}`,
    wanted === '' ? undefined : `It takes ${wanted}.`,
  )
}

/** Also in another case, where that is one of them only. */
function choice(choices: readonly string[], flag: string, text: string): string {
  const same = choices.filter((each) => each.toLowerCase() === text.toLowerCase())
  const found = choices.find((each) => each === text) ?? (same.length === 1 ? same[0] : undefined)
  if (found !== undefined) return found
  throw usageError(
    `${flag}: ${JSON.stringify(text)} is none of ${choices.join(', ')}`,
    didYouMean(text, choices),
  )
}

function json(field: Field, flag: string, text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch (error) {
    const why = error instanceof SyntaxError ? error.message : String(error)
    throw usageError(`${flag}: this is no JSON: ${why}`, `${flag} ${fieldHelp(field)}`)
  }
}

/** A whole list at once; undefined for anything else, which may well begin with a bracket. */
function array(text: string): unknown {
  if (!text.startsWith('[')) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

/** A value, or what is in the file that `@file` names; `@@` begins a value with an @. */
async function contents(text: string, flag: string, readText: ReadText): Promise<string> {
  if (!text.startsWith('@') || text === '@') return text
  if (text.startsWith('@@')) return text.slice(1)
  try {
    return await readText(text.slice(1))
  } catch (error) {
    throw usageError(
      `${flag}: ${text.slice(1)} can not be read: ${error instanceof Error ? error.message : String(error)}`,
    )
  }
}
