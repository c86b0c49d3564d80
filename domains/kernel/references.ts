import type { ReferenceMode } from './contract.ts'
import type { Kind } from './registry.ts'

/** A row that refers to another. */
export interface Referrer {
  readonly kind: string
  readonly uid: string
  readonly mode: ReferenceMode
}

/** Who refers to whom, over all tables: follows every write and every undo. */
export class References {
  readonly #byTarget = new Map<string, Map<string, Referrer>>()

  follow(kind: Kind, before: object | undefined, after: object | undefined): void {
    for (const reference of kind.references) {
      const from = identities(before, reference.field)
      const to = identities(after, reference.field)
      if (from.length === to.length && from.every((identity, i) => identity === to[i])) continue
      const source = (row: object): string => `${kind.id} ${(row as { uid: string }).uid} ${reference.field}`
      if (before !== undefined)
        for (const identity of from) this.#remove(`${reference.target} ${identity}`, source(before))
      if (after !== undefined) {
        const referrer = { kind: kind.id, uid: (after as { uid: string }).uid, mode: reference.mode }
        for (const identity of to) this.#add(`${reference.target} ${identity}`, source(after), referrer)
      }
    }
  }

  /** Who refers to the resource, in a stable order. A row that refers to it by two fields is there twice. */
  of(kind: string, identity: string): readonly Referrer[] {
    const found = this.#byTarget.get(`${kind} ${identity}`)
    if (found === undefined) return []
    return [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, referrer]) => referrer)
  }

  #add(target: string, source: string, referrer: Referrer): void {
    let sources = this.#byTarget.get(target)
    if (sources === undefined) {
      sources = new Map()
      this.#byTarget.set(target, sources)
    }
    sources.set(source, referrer)
  }

  #remove(target: string, source: string): void {
    const sources = this.#byTarget.get(target)
    sources?.delete(source)
    if (sources?.size === 0) this.#byTarget.delete(target)
  }
}

/** The identities a field of a row holds: none, one or many. */
export function identities(row: object | undefined, field: string): readonly string[] {
  const value = row === undefined ? undefined : (row as Record<string, unknown>)[field]
  if (typeof value === 'string') return [value]
  return Array.isArray(value) ? (value as string[]) : []
}
