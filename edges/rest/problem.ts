import { type Code, codes, type Details, Rejection } from '../../domains/kernel/rejection.ts'

/** RFC 9457: what is wrong, as JSON. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: Code
  readonly details: Details
}

export const PROBLEM_TYPE = 'application/problem+json'

/** The problem of a rejection. `status` where HTTP says it more exactly than the code does. */
export function problemOf({ code, message, details }: Rejection, status: number = codes[code].http): Problem {
  const type = `urn:ultracloud:error:${code}`
  return { type, title: codes[code].title, status, detail: message, code, details }
}

/** The problem of whatever a handler threw, or the framework found. Undefined for a fault of the service. */
export function knownProblem(error: unknown): Problem | undefined {
  if (error instanceof Rejection) return problemOf(error)
  const { statusCode, message } = error as { statusCode?: unknown; message?: unknown }
  if (typeof statusCode !== 'number' || statusCode < 400 || statusCode > 499) return undefined
  const code: Code = statusCode === 413 ? 'TOO_LARGE' : statusCode === 404 ? 'NOT_FOUND' : 'INVALID_ARGUMENT'
  const detail =
    statusCode === 415 ? 'a body is JSON: send it as content-type: application/json' : String(message)
  return problemOf(new Rejection(code, detail), statusCode)
}

export const fault = problemOf(new Rejection('INTERNAL', 'a fault of the service; its log says more'))
