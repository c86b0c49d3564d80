import type { KeyOf, ReadTable } from './table.ts'

/** A range of IPv4 addresses (RFC 4632), each address a number below 2^32. */
export interface Range {
  /** The network address. */
  readonly first: number
  /** The broadcast address. */
  readonly last: number
  readonly prefixLength: number
}

/** The number of a valid dotted address. */
export function parseAddress(address: string): number {
  return address.split('.').reduce((number, octet) => number * 256 + Number(octet), 0)
}

export function formatAddress(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.')
}

/** The range of a valid CIDR; undefined when bits below the prefix are set. */
export function parseCidr(cidr: string): Range | undefined {
  const [address, length] = cidr.split('/') as [string, string]
  const prefixLength = Number(length)
  const size = 2 ** (32 - prefixLength)
  const first = parseAddress(address)
  return first % size === 0 ? { first, last: first + size - 1, prefixLength } : undefined
}

export function overlaps(a: Range, b: Range): boolean {
  return a.first <= b.last && b.first <= a.last
}

export function contains(outer: Range, inner: Pick<Range, 'first' | 'last'>): boolean {
  return outer.first <= inner.first && inner.last <= outer.last
}

/** Addresses that mean something else on every machine or in every network (RFC 6890, RFC 5771, RFC 1112). */
const notPublic = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map((cidr) => parseCidr(cidr) as Range)

/** Whether a valid address is the same from everywhere: of no private network, no single machine and no group. */
export function isPublic(address: string): boolean {
  const number = parseAddress(address)
  return !notPublic.some(({ first, last }) => first <= number && number <= last)
}

/** Bits of an address below which one running total counts what is taken: widest first. */
const levels = [
  ['taken65536', 16],
  ['taken4096', 12],
  ['taken256', 8],
  ['taken16', 4],
] as const

export type TakenSum = (typeof levels)[number][0]
type Sums<Row> = Record<TakenSum, { readonly key: KeyOf<Row>; readonly amount: () => number }>

/** A table whose rows each take one address of a group: a subnet, a pool. */
type Taken = Pick<ReadTable<object, 'address', never, TakenSum>, 'find' | 'sum'>

/** The key of the unique index `address`. */
export function addressKey(group: string, address: number): string {
  return `${group} ${address}`
}

/** The running totals by which `lowestFreeAddress` finds a gap without looking at what is taken one by one. */
export function takenSums<Row>(place: (row: Row) => readonly [group: string, address: number]): Sums<Row> {
  const sums = levels.map(([name, bits]) => {
    const key = (row: Row): string => {
      const [group, address] = place(row)
      return addressKey(group, Math.floor(address / 2 ** bits))
    }
    return [name, { key, amount: () => 1 }] as const
  })
  return Object.fromEntries(sums) as Sums<Row>
}

/** The lowest address from `first` to `last` that no row of the group has; undefined when all are taken. At most about 100 look-ups for a /16. */
export function lowestFreeAddress(
  taken: Taken,
  group: string,
  first: number,
  last: number,
): number | undefined {
  return search(taken, group, first, last, 0)
}

function search(taken: Taken, group: string, first: number, last: number, level: number): number | undefined {
  const [name, bits] = levels[level] ?? [undefined, 0]
  const size = 2 ** bits
  for (let block = Math.floor(first / size); block <= Math.floor(last / size); block++) {
    if (name === undefined) {
      if (taken.find('address', addressKey(group, block)) === undefined) return block
      continue
    }
    const from = Math.max(first, block * size)
    const to = Math.min(last, block * size + size - 1)
    if (taken.sum(name, addressKey(group, block)) <= to - from)
      return search(taken, group, from, to, level + 1)
  }
  return undefined
}
