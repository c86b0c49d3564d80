import type { z } from 'zod'
import type { Message, Of } from './contract.ts'
import { reject } from './rejection.ts'

/** What is wrong with one field. */
export interface FieldProblem {
  /** `rules.0.port`; '' for the request as a whole. */
  readonly field: string
  readonly problem: string
}

/** Parses a request against its contract. Rejects with INVALID_ARGUMENT, naming every field that does not fit. */
export function parseRequest<M extends Message>(what: string, message: M, data: unknown): Of<M> {
  const parsed = message.schema.safeParse(data)
  if (parsed.success) return parsed.data as Of<M>
  const fields = problems(parsed.error, Object.keys(message.fields))
  const sentence = fields
    .map(({ field, problem }) => (field === '' ? problem : `${field}: ${problem}`))
    .join('; ')
  return reject('INVALID_ARGUMENT', `${what}: ${sentence}`, { fields })
}

function problems(error: z.ZodError, known: readonly string[]): readonly FieldProblem[] {
  return error.issues.slice(0, 16).map((issue) => {
    const field = issue.path.join('.')
    if (issue.code === 'unrecognized_keys' && field === '') {
      return {
        field: issue.keys.join(', '),
        problem: `unknown field; it takes ${known.join(', ') || 'no fields'}`,
      }
    }
    return { field, problem: issue.message }
  })
}
