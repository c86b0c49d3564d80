import { Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { describe, expect, it } from 'vitest'
import { type Code, codes, Rejection } from '../../domains/kernel/rejection.ts'
import { fromServiceError, toStatus } from './status.ts'

function serviceError(parts: Partial<ServiceError>): ServiceError {
  return Object.assign(new Error('failed'), {
    code: status.UNKNOWN,
    details: '',
    metadata: new Metadata(),
    ...parts,
  })
}

describe('a rejection over gRPC', () => {
  it.each(Object.keys(codes) as Code[])('%s arrives as it was, with its status', (code) => {
    const rejection = new Rejection(code, 'the quota für vcpu', {
      limit: 4,
      class: 'vcpu',
      names: ['é', '\u{1f600}'],
    })
    const sent = toStatus(rejection)
    expect(sent.code).toBe(status[codes[code].grpc])
    expect(fromServiceError(serviceError(sent as Partial<ServiceError>))).toEqual(rejection)
  })

  it.each([
    [status.UNAVAILABLE, 'OUTCOME_UNKNOWN'],
    [status.DEADLINE_EXCEEDED, 'OUTCOME_UNKNOWN'],
    [status.RESOURCE_EXHAUSTED, 'TOO_LARGE'],
    [status.DATA_LOSS, 'INTERNAL'],
  ] as const)('the status %i that the service did not give becomes %s', (code, expected) => {
    expect(fromServiceError(serviceError({ code }), 'OUTCOME_UNKNOWN').code).toBe(expected)
  })

  it('says what no connection came of, and nothing of how grpc-js looks for one', () => {
    const details =
      'No connection established. Last error: Error: connect ECONNREFUSED 127.0.0.1:1. Resolution note: '
    expect(fromServiceError(serviceError({ code: status.UNAVAILABLE, details })).message).toBe(
      'no connection: connect ECONNREFUSED 127.0.0.1:1',
    )
  })

  it('takes too long when only a read was asked for', () => {
    expect(fromServiceError(serviceError({ code: status.DEADLINE_EXCEEDED })).code).toBe('TIMEOUT')
  })
})
