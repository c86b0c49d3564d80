import { isDeepStrictEqual } from 'node:util'
import type { Registry } from '../../domains/kernel/registry.ts'
import type { RowChange } from '../control_plane.ts'
import { targetsOf } from './columns.ts'
import type { ResourceNames } from './resource_names.ts'
import type { Style } from './style.ts'
import { inline, printable } from './values.ts'

type Row = Readonly<Record<string, unknown>>

/** They change with every change, and say nothing of it. */
const stamps: ReadonlySet<string> = new Set(['revision', 'updatedAt', 'createdRevision', 'createdAt', 'uid'])

/** What is asked of a change's two rows: names as they were, and as they are. */
export interface NamesOfChange {
  readonly before: ResourceNames
  readonly after: ResourceNames
}

/** Prints changes: `+` is new, `-` is gone, `~` is changed, each field on a line with what it was and is. */
export class DiffLines {
  readonly #registry: Registry
  readonly #names: NamesOfChange
  readonly #style: Style

  constructor(registry: Registry, names: NamesOfChange, style: Style) {
    this.#registry = registry
    this.#names = names
    this.#style = style
  }

  /** Looks up the names that the changes' rows refer to. */
  async learn(changes: readonly RowChange[]): Promise<void> {
    const wanted = (side: 'before' | 'after') =>
      changes.flatMap((change) => {
        const row = change[side]
        const shown =
          row === null || (side === 'before' && change.after === null) ? [] : [...this.#targets(change)]
        return shown.flatMap(([key, kind]) => uidsOf(row?.[key]).map((uid) => ({ kind, uid })))
      })
    await this.#names.before.learn(wanted('before'))
    await this.#names.after.learn(wanted('after'))
  }

  lines(change: RowChange): readonly string[] {
    const { before, after } = change
    const { red, green, yellow } = this.#style
    if (before === null) {
      const said = Object.entries(after ?? {}).filter(([key, value]) => isOwn(key) && !isEmpty(value))
      const fields = said.map(([key]) => green(`    ${key}: ${this.#value(change, 'after', key)}`))
      return [green(`+ ${changeTitle(change)}`), ...fields]
    }
    if (after === null) return [red(`- ${changeTitle(change)}`)]
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
      (key) => !stamps.has(key) && !isDeepStrictEqual(before[key], after[key]),
    )
    const fields = keys.map((key) => {
      const [was, is] = [this.#value(change, 'before', key), this.#value(change, 'after', key)]
      return `    ${key}: ${red(was)} → ${green(is)}`
    })
    return [yellow(`~ ${changeTitle(change)}`), ...fields]
  }

  #value(change: RowChange, side: 'before' | 'after', key: string): string {
    const value = change[side]?.[key]
    const target = this.#targets(change).get(key)
    if (target === undefined) return inline(value)
    const named = uidsOf(value).map((uid) => this.#names[side].name(target, uid))
    return inline(Array.isArray(value) ? named : (named[0] ?? value))
  }

  #targets({ kind }: RowChange): ReadonlyMap<string, string> {
    const known = this.#registry.kinds.get(kind)
    return known === undefined ? new Map() : targetsOf(this.#registry, known)
  }
}

/** `vm.instance demo/vm1`. */
export function changeTitle({ kind, uid, before, after }: RowChange): string {
  const row: Row = after ?? before ?? {}
  const project = typeof row['project'] === 'string' ? `${row['project']}/` : ''
  const name = typeof row['name'] === 'string' ? row['name'] : uid
  return printable(`${kind} ${project}${name}`)
}

function isOwn(key: string): boolean {
  return !stamps.has(key) && key !== 'name' && key !== 'project'
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function uidsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value as readonly string[]
  return typeof value === 'string' ? [value] : []
}
