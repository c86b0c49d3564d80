import type { Code, Details, Rejection } from '../../domains/kernel/rejection.ts'

/** What the process ends with, and when. `ultracloud help exit-codes` prints it. */
export const exitCodes = {
  ok: { code: 0, meaning: 'It is done. A reader that closes the pipe early counts as done, too.' },
  rejected: { code: 1, meaning: 'The cloud refused it, or a local step failed: nothing has changed.' },
  usage: { code: 2, meaning: 'The command line is wrong: nothing was sent.' },
  unreachable: {
    code: 3,
    meaning: 'No member of the cloud could be reached, or none answered a read in time.',
  },
  outcomeUnknown: {
    code: 4,
    meaning:
      'A command was sent and no answer came: it may or may not happen. Retry with the command id that was shown.',
  },
  interrupted: { code: 130, meaning: 'Ended by Ctrl-C (SIGINT).' },
} as const satisfies Record<string, { code: number; meaning: string }>

export type ExitReason = keyof typeof exitCodes

/** Ends a command with a sentence on stderr, never with a stack trace. */
export class CliError extends Error {
  readonly reason: ExitReason
  /** The stable code of the cloud, where there is one. */
  readonly code: Code | undefined
  readonly details: Details
  /** What to try. */
  readonly hint: string | undefined

  constructor(
    reason: ExitReason,
    message: string,
    more: { readonly code?: Code; readonly details?: Details; readonly hint?: string | undefined } = {},
  ) {
    super(message)
    this.name = 'CliError'
    this.reason = reason
    this.code = more.code
    this.details = more.details ?? {}
    this.hint = more.hint
  }
}

/** The command line does not say what is to be done. */
export function usageError(message: string, hint?: string): CliError {
  return new CliError('usage', message, { hint })
}

const TOKEN_HINT =
  'A token is taken from --token, --token-file, ULTRACLOUD_TOKEN, or admin.token in the data directory.'

/** The end that belongs to a rejection. `command`: something may have happened, although no answer came. What gRPC says of its own deadline helps nobody. */
export function fromRejection(rejection: Rejection, command: boolean): CliError {
  const message = /^Deadline exceeded\b/.test(rejection.message)
    ? 'no answer came in time'
    : rejection.message
  return new CliError(reasonOf(rejection.code, command), message, {
    code: rejection.code,
    details: rejection.details,
    hint: rejection.code === 'UNAUTHENTICATED' ? TOKEN_HINT : undefined,
  })
}

function reasonOf(code: Code, command: boolean): ExitReason {
  switch (code) {
    case 'OUTCOME_UNKNOWN':
      return 'outcomeUnknown'
    case 'TIMEOUT':
      return command ? 'outcomeUnknown' : 'unreachable'
    case 'UNAVAILABLE':
    case 'NOT_LEADER':
      return 'unreachable'
    default:
      return 'rejected'
  }
}
