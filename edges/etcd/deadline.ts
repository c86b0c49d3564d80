import type { Headers } from './http2/hpack.ts'
import { StatusError } from './status.ts'

const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 1e-3, n: 1e-6 }
const TIMER_MS_MAX = 2 ** 31 - 1

/** How long the client waits for an answer (`grpc-timeout`, grpc/doc/PROTOCOL-HTTP2.md), in milliseconds; undefined when it does not say. */
function timeoutMilliseconds(headers: Headers): number | undefined {
  const [, count, unit] = /^(\d{1,8})([HMSmun])$/.exec(headers['grpc-timeout'] ?? '') ?? []
  if (count === undefined || unit === undefined) return undefined
  return Math.ceil(Number(count) * (units[unit] ?? 0))
}

/** Calls back when the client waits no more; undefined for who waits for ever, or for weeks. */
export function atDeadline(
  headers: Headers,
  passed: (error: StatusError) => void,
): NodeJS.Timeout | undefined {
  if (headers['grpc-timeout'] === undefined) return undefined
  const timeout = timeoutMilliseconds(headers)
  if (timeout === undefined || timeout > TIMER_MS_MAX) return undefined
  return setTimeout(
    () => passed(new StatusError('DEADLINE_EXCEEDED', 'context deadline exceeded')),
    timeout,
  ).unref()
}
