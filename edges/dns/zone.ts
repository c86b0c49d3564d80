import type { RecordData } from '../../domains/dns/records.ts'
import { queryTypes, typeNumbers } from './protocol.ts'

/** All records of one name and type (an RRset, RFC 2181 section 5). Names are lower case wire form without the root. */
export interface RecordSet {
  readonly type: number
  /** Seconds. */
  readonly ttl: number
  readonly data: readonly RecordData[]
  /** Whether the names in the data may be written as pointers (RFC 3597 section 4). */
  readonly isCompressed: boolean
  /** The names whose addresses go into the additional section. */
  readonly targets: readonly string[]
}

export interface ZoneNode {
  readonly name: string
  /** In the order of their types. */
  readonly sets: RecordSet[]
  /** Names right below this one. A node without sets and with children is an empty non-terminal (RFC 4592 section 2.2.2). */
  children: number
}

export type Location =
  /** `owner` is the name asked for, also where a wildcard answers for it. */
  | { readonly kind: 'found'; readonly node: ZoneNode; readonly owner: string }
  | { readonly kind: 'delegation'; readonly owner: string; readonly nameservers: RecordSet }
  | { readonly kind: 'missing' }

const wildcardLabel = '\u0001*'
const missing: Location = { kind: 'missing' }

export function findSet(node: ZoneNode, type: number): RecordSet | undefined {
  for (const set of node.sets) if (set.type === type) return set
  return undefined
}

export function isBelowOrAt(name: string, ancestor: string): boolean {
  if (!name.endsWith(ancestor)) return false
  // The match must begin at a label: walk the labels of what is left.
  const end = name.length - ancestor.length
  let at = 0
  while (at < end) at += name.charCodeAt(at) + 1
  return at === end
}

/** The name without its first label. */
export function parentOf(name: string): string {
  return name.slice(name.charCodeAt(0) + 1)
}

/** The tree of one zone: every name that exists, empty non-terminals included. */
export class Zone {
  readonly apex: string
  readonly #nodes = new Map<string, ZoneNode>()

  constructor(apex: string) {
    this.apex = apex
    this.#nodes.set(apex, { name: apex, sets: [], children: 0 })
  }

  /** Names that exist. */
  get size(): number {
    return this.#nodes.size
  }

  set(name: string, type: number): RecordSet | undefined {
    const node = this.#nodes.get(name)
    return node === undefined ? undefined : findSet(node, type)
  }

  /** Adds the set, in place of one of the same name and type. `name` must be in the zone. */
  put(name: string, set: RecordSet): void {
    const { sets } = this.#ensure(name)
    const index = sets.findIndex((other) => other.type >= set.type)
    if (index < 0) sets.push(set)
    else sets.splice(index, sets[index]?.type === set.type ? 1 : 0, set)
  }

  remove(name: string, type: number): void {
    const node = this.#nodes.get(name)
    const index = node?.sets.findIndex((set) => set.type === type) ?? -1
    if (node === undefined || index < 0) return
    node.sets.splice(index, 1)
    this.#prune(node)
  }

  /**
   * RFC 1034 section 4.3.2 step 3 and RFC 4592 section 3.3.1: goes down label by label from the apex, stops at a zone cut, and takes
   * the wildcard of the closest encloser where the name itself does not exist. DS at a cut is the parent's (RFC 4035
   * section 3.1.4.1). `name` must be in the zone.
   */
  locate(name: string, type: number): Location {
    const starts: number[] = []
    const end = name.length - this.apex.length
    for (let at = 0; at < end; at += name.charCodeAt(at) + 1) starts.push(at)
    let node = this.#nodes.get(this.apex)
    if (node === undefined) return missing
    for (let index = starts.length - 1; index >= 0; index -= 1) {
      const child = this.#nodes.get(name.slice(starts[index]))
      if (child === undefined) return this.#wildcard(node, name, type)
      const nameservers = findSet(child, typeNumbers.NS)
      if (nameservers !== undefined && !(index === 0 && type === queryTypes.DS)) {
        return { kind: 'delegation', owner: child.name, nameservers }
      }
      node = child
    }
    return { kind: 'found', node, owner: name }
  }

  /** The node that has the addresses of `name`, below zone cuts, too: glue (RFC 1034 section 4.2.1). */
  addressNode(name: string): ZoneNode | undefined {
    if (!isBelowOrAt(name, this.apex)) return undefined
    let ancestor = name
    let node = this.#nodes.get(ancestor)
    if (node !== undefined) return node
    while (node === undefined && ancestor.length > this.apex.length) {
      ancestor = parentOf(ancestor)
      node = this.#nodes.get(ancestor)
    }
    return this.#nodes.get(wildcardLabel + ancestor)
  }

  #wildcard(encloser: ZoneNode, owner: string, type: number): Location {
    const node = this.#nodes.get(wildcardLabel + encloser.name)
    if (node === undefined) return missing
    const nameservers = findSet(node, typeNumbers.NS)
    if (nameservers !== undefined && type !== queryTypes.DS) return { kind: 'delegation', owner, nameservers }
    return { kind: 'found', node, owner }
  }

  #ensure(name: string): ZoneNode {
    const existing = this.#nodes.get(name)
    if (existing !== undefined) return existing
    const node: ZoneNode = { name, sets: [], children: 0 }
    this.#nodes.set(name, node)
    let child = name
    for (;;) {
      child = parentOf(child)
      const parent = this.#nodes.get(child)
      if (parent !== undefined) {
        parent.children += 1
        return node
      }
      this.#nodes.set(child, { name: child, sets: [], children: 1 })
    }
  }

  #prune(node: ZoneNode): void {
    let current: ZoneNode | undefined = node
    while (
      current !== undefined &&
      current.sets.length === 0 &&
      current.children === 0 &&
      current.name !== this.apex
    ) {
      this.#nodes.delete(current.name)
      current = this.#nodes.get(parentOf(current.name))
      if (current !== undefined) current.children -= 1
    }
  }
}
