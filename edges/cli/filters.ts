import type { Kind, Registry } from '../../domains/kernel/registry.ts'
import type { ReadRequest } from '../control_plane.ts'
import { targetsOf } from './columns.ts'
import { CliError, usageError } from './exit_codes.ts'
import { didYouMean, kebabCase } from './names.ts'
import type { Session } from './session.ts'

type Filter = Readonly<Record<string, string>>

const UID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** Field names may be spelt as in a contract or as in a flag: `memoryMebibytes`, `memory-mebibytes`. */
export function parseFilter(kind: Kind, given: readonly string[]): Filter | undefined {
  if (given.length === 0) return undefined
  const fields = Object.keys(kind.resource.message.fields)
  return Object.fromEntries(
    given.map((text) => {
      const equals = text.indexOf('=')
      if (equals < 1) throw usageError(`--filter: ${JSON.stringify(text)} is no field=value`)
      const key = text.slice(0, equals)
      const value = text.slice(equals + 1)
      if (key.startsWith('label.')) return [key, value]
      const field = fields.find((each) => each === key || kebabCase(each) === kebabCase(key))
      if (field !== undefined) return [field, value]
      throw usageError(
        `--filter: ${kind.id} has no field ${key}`,
        didYouMean(key, fields) ?? `It has: ${fields.join(', ')}, and label.KEY`,
      )
    }),
  )
}

/**
 * The filter with uids for names: tables show names where rows hold uids, and what is shown can be asked for. Throws CliError for a name
 * that nothing has, or several have, at that moment.
 */
export async function withUids(
  { cloud, registry }: Pick<Session, 'cloud' | 'registry'>,
  kind: Kind,
  filter: Filter | undefined,
  { project, at, consistency, minRevision }: ReadRequest,
): Promise<Filter | undefined> {
  if (filter === undefined) return undefined
  const targets = targetsOf(registry, kind)
  const found: Record<string, string> = {}
  for (const [field, value] of Object.entries(filter)) {
    const target = namedKind(registry, targets.get(field))
    if (target === undefined || value === '' || UID.test(value)) {
      found[field] = value
      continue
    }
    const where = target.resource.scope === 'project' ? project : undefined
    const request = { kind: target.id, project: where, filter: { name: value }, at, consistency, minRevision }
    const { rows } = await cloud.read({ ...request, pageSize: 2 })
    found[field] = onlyUid(rows, `--filter ${field}`, target, value)
  }
  return found
}

/** The kind that a field refers to by uid. */
function namedKind(registry: Registry, id: string | undefined): Kind | undefined {
  const kind = id === undefined ? undefined : registry.kinds.get(id)
  return kind?.resource.identity === 'uid' ? kind : undefined
}

function onlyUid(
  rows: readonly Readonly<Record<string, unknown>>[],
  flag: string,
  { id }: Kind,
  name: string,
): string {
  const [row] = rows
  if (row === undefined)
    throw new CliError('rejected', `${flag}: there is no ${id} ${name}`, { code: 'NOT_FOUND' })
  if (rows.length > 1)
    throw usageError(`${flag}: several projects have a ${id} ${name}`, 'Say --project NAME, or the uid.')
  return String(row['uid'])
}
