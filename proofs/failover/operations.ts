import { newCommandId } from '../../domains/kernel/uuid.ts'

export const PROJECT = 'default'
export const ZONE = 'failover.test'

/** An operation whose double execution shows: in a second row, or in a refusal. */
export interface Operation {
  /** Unique, and in what the command makes. */
  readonly name: string
  readonly commandId: string
  readonly type: string
  readonly data: object
}

/** When, and with what, an operation was acknowledged; times are those of `performance.now()`. */
export interface Acknowledgement {
  readonly operation: Operation
  readonly revision: number
  readonly result: Readonly<Record<string, unknown>>
  /** It had been accepted in an earlier attempt whose answer was lost. */
  readonly duplicate: boolean
  readonly attempts: number
  /** When the attempt that was answered began. */
  readonly attemptAt: number
  readonly at: number
}

/**
 * The `index`-th operation of a client: a token (nothing but the command id keeps a second one from being issued), a network
 * (a second one of the name would be refused), or a record set.
 */
export function operation(client: number, index: number): Operation {
  const name = `c${client}-${index}`
  const commandId = newCommandId()
  switch (index % 3) {
    case 0:
      return { name, commandId, type: 'iam.IssueToken', data: { user: 'admin', description: name } }
    case 1:
      return {
        name,
        commandId,
        type: 'vpc.CreateVpc',
        data: { project: PROJECT, name, cidr: '10.0.0.0/16' },
      }
    default:
      return {
        name,
        commandId,
        type: 'dns.PutRecordSet',
        data: { project: PROJECT, zone: ZONE, name, type: 'TXT', values: ['"here"'] },
      }
  }
}
