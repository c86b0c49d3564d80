import { usageError } from './exit_codes.ts'

const SECOND = 1000
const MINUTE = 60 * SECOND
const HOUR = 60 * MINUTE
const DAY = 24 * HOUR

const units: Readonly<Record<string, number>> = { ms: 1, s: SECOND, m: MINUTE, h: HOUR, d: DAY }

/** `30s`, `500ms`, `2m`, or seconds, in milliseconds. Throws a usage error naming the flag, also beyond ten minutes. */
export function parseDuration(text: string, flag: string): number {
  const [, digits, unit = 's'] = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)?$/.exec(text) ?? []
  const milliseconds = Math.round(Number(digits) * (units[unit] as number))
  if (digits === undefined || milliseconds < 1 || milliseconds > 10 * MINUTE)
    throw usageError(`${flag}: ${JSON.stringify(text)} is no time between 1ms and 10m, such as 30s or 2m`)
  return milliseconds
}

/** How long ago, in one or two units: `5s`, `3m20s`, `2h`, `4d`. */
export function age(milliseconds: number): string {
  const past = Math.max(0, milliseconds)
  if (past < 2 * MINUTE) return `${Math.floor(past / SECOND)}s`
  if (past < 10 * MINUTE) return two(past, MINUTE, 'm', SECOND, 's')
  if (past < 3 * HOUR) return `${Math.floor(past / MINUTE)}m`
  if (past < 10 * HOUR) return two(past, HOUR, 'h', MINUTE, 'm')
  if (past < 2 * DAY) return `${Math.floor(past / HOUR)}h`
  return `${Math.floor(past / DAY)}d`
}

function two(past: number, big: number, bigUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((past % big) / small)
  return `${Math.floor(past / big)}${bigUnit}${rest === 0 ? '' : `${rest}${smallUnit}`}`
}

/** `0.4 s`, `12 s`, `2 min 5 s`. */
export function elapsed(milliseconds: number): string {
  if (milliseconds < 10 * SECOND) return `${(milliseconds / SECOND).toFixed(1)} s`
  if (milliseconds < 2 * MINUTE) return `${Math.round(milliseconds / SECOND)} s`
  return `${Math.floor(milliseconds / MINUTE)} min ${Math.floor((milliseconds % MINUTE) / SECOND)} s`
}

/** `2026-01-31 12:00:00Z`, from milliseconds since 1970; `-` for 0. */
export function timestamp(milliseconds: number): string {
  if (milliseconds === 0) return '-'
  return `${new Date(milliseconds).toISOString().slice(0, 19).replace('T', ' ')}Z`
}
