import { request } from 'node:http'
import { connect } from 'node:net'
import { errorCode } from './error-code.ts'
import { isExpected, parseExpectedCodes } from './expected-codes.ts'
import type { MonitorRow } from './listener-row.ts'

export interface Verdict {
  /** BROKEN: the check could not be made on this side, which says nothing about the member. */
  readonly outcome: 'PASSED' | 'FAILED' | 'BROKEN'
  /** What was tried and what came back, for a person. */
  readonly detail: string
}

interface Target {
  readonly address: string
  readonly port: number
  readonly endpoint: string
}

/** Errors of connect(2) and socket(2) that are this host's own: no descriptors, no ports, no memory, not permitted. */
const ownErrors: ReadonlySet<string> = new Set([
  'EMFILE',
  'ENFILE',
  'EADDRNOTAVAIL',
  'ENOBUFS',
  'ENOMEM',
  'EACCES',
  'EPERM',
])

/** True when an error is the balancer's own trouble and no evidence about the member. */
export function isOwnError(error: Error): boolean {
  return ownErrors.has(errorCode(error))
}

/** Makes one check; never rejects. Gives its verdict within the monitor's timeout. */
export function probe(monitor: MonitorRow, target: Target): Promise<Verdict> {
  return monitor.type === 'TCP' ? probeTcp(monitor, target) : probeHttp(monitor, target)
}

function probeTcp(monitor: MonitorRow, target: Target): Promise<Verdict> {
  const tried = `TCP connect to ${target.endpoint}`
  return new Promise((resolve) => {
    const socket = connect({ host: target.address, port: target.port, allowHalfOpen: false })
    const finish = (verdict: Verdict): void => {
      clearTimeout(timer)
      socket.destroy()
      resolve(verdict)
    }
    const timer = setTimeout(() => {
      finish({ outcome: 'FAILED', detail: `${tried}: no answer within ${monitor.timeoutMilliseconds} ms` })
    }, monitor.timeoutMilliseconds)
    socket.on('connect', () => finish({ outcome: 'PASSED', detail: `${tried}: accepted` }))
    socket.on('error', (error) => finish(failure(tried, error)))
  })
}

function probeHttp(monitor: MonitorRow, target: Target): Promise<Verdict> {
  const tried = `GET http://${target.endpoint}${monitor.path}`
  const ranges = parseExpectedCodes(monitor.expectedCodes) ?? []
  return new Promise((resolve) => {
    const outgoing = request({
      host: target.address,
      port: target.port,
      path: monitor.path,
      agent: false,
      headers: { Host: target.endpoint, 'User-Agent': 'ultracloud-health-check', Connection: 'close' },
    })
    const finish = (verdict: Verdict): void => {
      clearTimeout(timer)
      outgoing.destroy()
      resolve(verdict)
    }
    const timer = setTimeout(() => {
      finish({ outcome: 'FAILED', detail: `${tried}: no answer within ${monitor.timeoutMilliseconds} ms` })
    }, monitor.timeoutMilliseconds)
    outgoing.on('response', (response) => {
      const code = response.statusCode ?? 0
      const passed = isExpected(code, ranges)
      const wanted = passed ? '' : `, expected ${monitor.expectedCodes}`
      response.on('error', () => undefined)
      finish({ outcome: passed ? 'PASSED' : 'FAILED', detail: `${tried}: answered ${code}${wanted}` })
    })
    outgoing.on('error', (error) => finish(failure(tried, error)))
    outgoing.end()
  })
}

function failure(tried: string, error: Error): Verdict {
  const outcome = isOwnError(error) ? 'BROKEN' : 'FAILED'
  return { outcome, detail: `${tried}: ${describe(error)}` }
}

const sentences: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused (nothing listens there)',
  ECONNRESET: 'connection reset by the member',
  EHOSTUNREACH: 'no route to the host',
  ENETUNREACH: 'no route to the network',
  ETIMEDOUT: 'no answer',
  EMFILE: 'the balancer has no file descriptors left',
  ENFILE: 'the balancer has no file descriptors left',
  EADDRNOTAVAIL: 'the balancer has no free local port or no such local address',
}

/** A connect or transfer error in words. */
export function describe(error: Error): string {
  return sentences[errorCode(error)] ?? error.message
}
