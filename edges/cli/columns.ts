import { referenceOf, Uid } from '../../domains/kernel/contract.ts'
import type { Kind, Registry } from '../../domains/kernel/registry.ts'
import { isTime } from './field_help.ts'
import { type Field, fieldsOf, innerSchema } from './field_type.ts'
import { kebabCase } from './names.ts'

export interface Column {
  readonly field: Field
  readonly title: string
  /** The kind whose uid it holds; undefined for a plain value. */
  readonly target: string | undefined
}

const COLUMNS_MAX = 7
const SHORT_TEXT = 255

/** What a person looks for first, in this order; what is not here follows in the contract's order. */
const importance = [
  'intent',
  'lifecycle',
  'state',
  'policy',
  'health',
  'type',
  'protocol',
  'address',
  'domainName',
  'cidr',
  'port',
  'image',
  'host',
  'dnsName',
  'values',
  'ttl',
] as const

/** The columns of a kind's table, besides project, name and age; `wide`: all that fit into a cell. */
export function columnsOf(registry: Registry, kind: Kind, wide: boolean): readonly Column[] {
  const own = Object.entries(kind.resource.message.fields).filter(([, [number]]) => number >= 10)
  const fields = fieldsOf(Object.fromEntries(own.map(([key, [, schema]]) => [key, schema])))
  const columns = fields.map((field) => ({
    field,
    title: kebabCase(field.key).replaceAll('-', ' ').toUpperCase(),
    target: targetOf(registry, kind, field),
  }))
  if (wide) return columns.filter(({ field }) => fits(field))
  const chosen = columns.filter((column) => fits(column.field) && rank(column) < Infinity)
  const shown = [...chosen].sort((a, b) => rank(a) - rank(b)).slice(0, COLUMNS_MAX)
  return columns.filter((column) => shown.includes(column)).sort((a, b) => place(a) - place(b))
}

/** Which of a kind's fields hold uids, and of what. */
export function targetsOf(registry: Registry, kind: Kind): ReadonlyMap<string, string> {
  return new Map(
    columnsOf(registry, kind, true).flatMap(({ field, target }) =>
      target === undefined ? [] : [[field.key, target] as const],
    ),
  )
}

/** Columns of this importance come first; the others keep the contract's order. */
function place({ field }: Column): number {
  const index = (importance as readonly string[]).indexOf(field.key)
  return index === -1 ? importance.length : index
}

function rank(column: Column): number {
  const { field, target } = column
  const known = place(column)
  if (known < importance.length) return known
  if (isUid(field) && target === undefined) return Infinity
  if (field.key === 'description' || isTime(field.key) || field.key.toLowerCase().endsWith('reason'))
    return Infinity
  if (field.type.kind === 'choice') return 100
  if (target !== undefined) return 101
  return field.type.kind === 'list' ? 103 : 102
}

function fits({ type, key }: Field): boolean {
  switch (type.kind) {
    case 'text':
      return (
        type.maximum !== undefined &&
        (type.maximum <= SHORT_TEXT || key.toLowerCase().endsWith('reason') || key === 'description')
      )
    case 'list':
      return type.item.kind !== 'object' && type.item.kind !== 'list' && type.item.kind !== 'map'
    case 'map':
    case 'object':
      return false
    default:
      return true
  }
}

function isUid({ schema }: Field): boolean {
  return innerSchema(schema) === Uid
}

/** The declared reference, or, for a bare uid that has the name of a kind, that kind: `host` is a `vm.host`. */
function targetOf(registry: Registry, kind: Kind, field: Field): string | undefined {
  const declared = referenceOf(field.schema as Parameters<typeof referenceOf>[0])
  if (declared !== undefined) return declared.target
  if (!isUid(field)) return undefined
  const named = [...registry.kinds.values()].filter(({ name }) => kebabCase(name) === kebabCase(field.key))
  return (
    named.find(({ contract }) => contract === kind.contract) ?? (named.length === 1 ? named[0] : undefined)
  )?.id
}
