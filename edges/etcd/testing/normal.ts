import type { Int64 } from '../messages.ts'
import type { Answer } from './client.ts'

/** Of a header: they differ between any two servers. */
const left = new Set(['clusterId', 'memberId', 'raftTerm'])

/** An answer as plain data, without what differs between any two servers. Defaults that are written out and those that are not are alike. */
export function normal(answer: Answer): unknown {
  return answer.ok ? plain(answer.message) : answer
}

export function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('latin1')
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  if ('toNumber' in value) return (value as Int64).toString()
  const entries = Object.entries(value)
    .filter(([name]) => !left.has(name))
    .map(([name, part]): [string, unknown] => [name, plain(part)])
    .filter(([, part]) => !(part === '0' || part === 0 || part === '' || part === false || isEmpty(part)))
  return Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isEmpty(value: unknown): boolean {
  return Array.isArray(value) && value.length === 0
}
