import { type Command as Commander, Option } from 'commander'
import type { Command } from '../../domains/kernel/contract.ts'
import { parseRequest } from '../../domains/kernel/parse.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { usageError } from './exit_codes.ts'
import { fieldHelp, placeholder } from './field_help.ts'
import { type Field, fieldsOf } from './field_type.ts'
import { fieldValue, type RawValue, type ReadText } from './field_value.ts'
import { kebabCase } from './names.ts'

/** Flags that say how a command is run: a field of such a name gets another flag. */
const reserved: ReadonlySet<string> = new Set(['dryRun', 'wait', 'commandId', 'ifRevision', 'help'])

/** The flags of one command's request. */
export interface RequestFlags {
  readonly fields: readonly Field[]
  /** `--memory-mebibytes`, by the field's key. */
  readonly flags: ReadonlyMap<string, string>
}

export function requestFlags(command: Command): RequestFlags {
  const shape = Object.fromEntries(
    Object.entries(command.request.fields).map(([key, [, schema]]) => [key, schema]),
  )
  const fields = fieldsOf(shape)
  const flags = new Map(
    fields.map(({ key }) => [key, `--${reserved.has(key) ? 'field-' : ''}${kebabCase(key)}`]),
  )
  return { fields, flags }
}

/** Adds a flag for every field, those that must be said first. */
export function addRequestFlags(to: Commander, { fields, flags }: RequestFlags): void {
  const inOrder = [...fields].sort((a, b) => Number(b.required) - Number(a.required))
  for (const field of inOrder) {
    const flag = flags.get(field.key) as string
    const group = field.required ? 'What it needs:' : 'What it may be told:'
    const value = placeholder(field.type)
    const description = help(field)
    if (value === undefined) {
      to.addOption(new Option(flag, description).helpGroup(group))
      to.addOption(new Option(`--no-${flag.slice(2)}`).helpGroup(group))
      continue
    }
    const option = new Option(`${flag} ${value}`, description).helpGroup(group)
    const item = field.type.kind === 'list' ? field.type.item : field.type
    if (item.kind === 'choice') option.argChoices = [...item.choices]
    to.addOption(
      option.argParser((text: string, before?: readonly string[]) => {
        if (to.options.some(({ long }) => long === text))
          throw usageError(`${flag} needs a value, and is followed by ${text}`)
        return [...(before ?? []), text]
      }),
    )
  }
}

function help(field: Field): string {
  const text = fieldHelp(field)
  if (field.key !== 'project') return text
  return `${text === '' ? '' : `${text}; `}default: env ULTRACLOUD_PROJECT`
}

/** The attribute under which commander keeps a flag's value. */
export function attributeOf(flag: string): string {
  return new Option(flag).attributeName()
}

/**
 * The request that the command line says; only what was said is in it, so that the cloud's own defaults count.
 * Throws usage errors that name the flags: for what is missing, and for what does not fit the contract.
 */
export async function requestFrom(
  type: string,
  command: Command,
  { fields, flags }: RequestFlags,
  given: Readonly<Record<string, unknown>>,
  project: string | undefined,
  readText: ReadText,
): Promise<Readonly<Record<string, unknown>>> {
  const request: Record<string, unknown> = {}
  for (const field of fields) {
    const flag = flags.get(field.key) as string
    const said = given[attributeOf(flag)] as RawValue | undefined
    const raw = said ?? (field.key === 'project' ? project : undefined)
    if (raw === undefined) continue
    if (Array.isArray(raw) && raw.length > 1 && field.type.kind !== 'list' && field.type.kind !== 'map')
      throw usageError(`${flag} was given ${raw.length} times; it takes one value`)
    request[field.key] = await fieldValue(field, flag, raw, readText)
  }
  refuseMissing(fields, flags, request)
  try {
    parseRequest(type, command.request, { ...nulls(fields), ...request })
  } catch (error) {
    throw error instanceof Rejection ? inFlags(error, flags) : error
  }
  return request
}

/** On the wire an absent field that may be null is null. */
function nulls(fields: readonly Field[]): Readonly<Record<string, null>> {
  const absent = fields.filter(({ nullable, schema }) => nullable && !schema._zod.optin)
  return Object.fromEntries(absent.map(({ key }) => [key, null]))
}

function refuseMissing(
  fields: readonly Field[],
  flags: ReadonlyMap<string, string>,
  request: Readonly<Record<string, unknown>>,
): void {
  const missing = fields.filter(({ required, key }) => required && !(key in request))
  if (missing.length === 0) return
  const names = missing.map(({ key, type }) => {
    const flag = flags.get(key) as string
    const value = placeholder(type)
    return value === undefined ? `${flag} or --no-${flag.slice(2)}` : `${flag} ${value}`
  })
  const hint = missing.some(({ key }) => key === 'project')
    ? 'The project may also be in ULTRACLOUD_PROJECT.'
    : undefined
  throw usageError(`missing: ${names.join(', ')}`, hint)
}

/** The contract's words, with flags for fields. */
function inFlags(rejection: Rejection, flags: ReadonlyMap<string, string>): Error {
  const problems = rejection.details['fields'] as readonly { field: string; problem: string }[] | undefined
  if (problems === undefined) return usageError(rejection.message)
  const sentences = problems.map(({ field, problem }) => {
    const [key = '', ...inside] = field.split('.')
    const where = inside.length === 0 ? '' : ` (${inside.join('.')})`
    return `${flags.get(key) ?? field}${where}: ${problem}`
  })
  return usageError(sentences.join('\n       '))
}
