import { isIP } from 'node:net'
import type { Bounds } from './bounds.ts'
import { parseExpectedCodes } from './expected-codes.ts'
import type { ListenerRow, MemberRow, MonitorRow } from './listener-row.ts'

/** Says what keeps a row from being served, for a person; null when nothing does. */
export function rowProblem(row: ListenerRow, bounds: Bounds): string | null {
  if (isIP(row.address) === 0) return `address "${row.address}" is not an IP address`
  if (!isWhole(row.port, 0, 65_535)) return `port ${row.port} is not between 0 and 65535`
  if (!isWhole(row.connectionLimit, 0, Number.MAX_SAFE_INTEGER))
    return 'connectionLimit is not a whole number'
  if (row.members.length > bounds.membersMax) {
    return `${row.members.length} members are more than the ${bounds.membersMax} one listener may have`
  }
  const uids = new Set<string>()
  for (const member of row.members) {
    if (uids.has(member.uid)) return `member "${member.name}" is listed twice`
    uids.add(member.uid)
    const problem = memberProblem(member)
    if (problem !== null) return `member "${member.name}": ${problem}`
  }
  return row.monitor === null ? null : monitorProblem(row.monitor)
}

function memberProblem(member: MemberRow): string | null {
  if (isIP(member.address) === 0) return `address "${member.address}" is not an IP address`
  if (!isWhole(member.port, 1, 65_535)) return `port ${member.port} is not between 1 and 65535`
  if (!isWhole(member.weight, 0, 256)) return `weight ${member.weight} is not between 0 and 256`
  return null
}

function monitorProblem(monitor: MonitorRow): string | null {
  if (!isWhole(monitor.intervalMilliseconds, 1, 86_400_000))
    return 'monitor interval is not between 1 ms and a day'
  if (!isWhole(monitor.timeoutMilliseconds, 1, 86_400_000))
    return 'monitor timeout is not between 1 ms and a day'
  if (!isWhole(monitor.rise, 1, 100)) return 'monitor rise is not between 1 and 100'
  if (!isWhole(monitor.fall, 1, 100)) return 'monitor fall is not between 1 and 100'
  if (monitor.type === 'TCP') return null
  if (!/^\/[\x21-\x7e]*$/.test(monitor.path))
    return `monitor path "${monitor.path}" does not start with "/" or has blanks`
  if (parseExpectedCodes(monitor.expectedCodes) === null) {
    return `monitor expectedCodes "${monitor.expectedCodes}" is not like 200, 200,204 or 200-299`
  }
  return null
}

function isWhole(value: number, least: number, most: number): boolean {
  return Number.isInteger(value) && value >= least && value <= most
}
