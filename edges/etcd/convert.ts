import type {
  Compare,
  DeleteAnswer,
  DeleteRequest,
  KeyValue,
  Operation,
  OperationAnswer,
  PutAnswer,
  PutRequest,
  RangeAnswer,
  RangeRequest,
  TxnAnswer,
  TxnRequest,
} from '../../domains/kv/model.ts'
import type { Header, RequestFields, WireKeyValue } from './messages.ts'
import { StatusError } from './status.ts'

export const text = (bytes: Buffer): string => bytes.toString('latin1')
const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')

const sortOrders = ['none', 'ascend', 'descend'] as const
const sortTargets = ['key', 'version', 'create', 'mod', 'value'] as const
const compareResults = ['equal', 'greater', 'less', 'not_equal'] as const
const compareTargets = ['version', 'create', 'mod', 'value', 'lease'] as const
const operands = {
  version: 'version',
  create: 'createRevision',
  mod: 'modRevision',
  lease: 'lease',
} as const satisfies Partial<Record<Compare['target'], keyof RequestFields['Compare']>>

export function rangeRequest(fields: RequestFields['RangeRequest']): RangeRequest {
  return {
    key: text(fields.key),
    rangeEnd: text(fields.rangeEnd),
    limit: fields.limit.toNumber(),
    revision: fields.revision.toNumber(),
    sortOrder: sortOrders[fields.sortOrder] ?? 'none',
    sortTarget: sortTargets[fields.sortTarget] ?? 'key',
    keysOnly: fields.keysOnly,
    countOnly: fields.countOnly,
    minModRevision: fields.minModRevision.toNumber(),
    maxModRevision: fields.maxModRevision.toNumber(),
    minCreateRevision: fields.minCreateRevision.toNumber(),
    maxCreateRevision: fields.maxCreateRevision.toNumber(),
  }
}

export function putRequest(fields: RequestFields['PutRequest']): PutRequest {
  return {
    key: text(fields.key),
    value: text(fields.value),
    lease: fields.lease.toString(),
    previous: fields.prevKv,
    ignoreValue: fields.ignoreValue,
    ignoreLease: fields.ignoreLease,
  }
}

/** The other way: a put that is to be done elsewhere. */
export function putFields({ key, value, lease, previous, ignoreValue, ignoreLease }: PutRequest): object {
  return { key: bytes(key), value: bytes(value), lease, prevKv: previous, ignoreValue, ignoreLease }
}

export function deleteRequest(fields: RequestFields['DeleteRangeRequest']): DeleteRequest {
  return { key: text(fields.key), rangeEnd: text(fields.rangeEnd), previous: fields.prevKv }
}

export function txnRequest(fields: RequestFields['TxnRequest']): TxnRequest {
  return {
    compare: fields.compare.map(comparison),
    success: fields.success.map(operation),
    failure: fields.failure.map(operation),
  }
}

function comparison(fields: RequestFields['Compare']): Compare {
  const result = compareResults[fields.result]
  const target = compareTargets[fields.target]
  if (result === undefined || target === undefined)
    throw new StatusError('INVALID_ARGUMENT', 'etcdserver: unknown comparison')
  return {
    key: text(fields.key),
    rangeEnd: text(fields.rangeEnd),
    result,
    target,
    operand: operandOf(fields, target),
  }
}

/** What is compared with, when it is of the target's kind: else nothing or 0, as with etcd. */
function operandOf(fields: RequestFields['Compare'], target: Compare['target']): string {
  if (target === 'value') return Object.hasOwn(fields, 'value') ? text(fields.value) : ''
  const field = operands[target]
  return Object.hasOwn(fields, field) ? fields[field].toString() : '0'
}

function operation(fields: RequestFields['RequestOp']): Operation {
  if (fields.requestRange) return { kind: 'range', request: rangeRequest(fields.requestRange) }
  if (fields.requestPut) return { kind: 'put', request: putRequest(fields.requestPut) }
  if (fields.requestDeleteRange) return { kind: 'delete', request: deleteRequest(fields.requestDeleteRange) }
  if (fields.requestTxn) return { kind: 'txn', request: txnRequest(fields.requestTxn) }
  throw new StatusError('INVALID_ARGUMENT', 'etcdserver: key not found')
}

function wireKeyValue(kv: KeyValue): WireKeyValue {
  const { key, value, createRevision, modRevision, version, lease } = kv
  return {
    key: bytes(key),
    modRevision,
    ...(value === '' ? {} : { value: bytes(value) }),
    ...(version === 0 ? {} : { createRevision, version }),
    ...(lease === '0' ? {} : { lease }),
  }
}

function rangeResponse(header: Partial<Header>, { kvs, more, count }: RangeAnswer): object {
  return { header, kvs: kvs.map(wireKeyValue), more, count }
}

export function putResponse(header: Partial<Header>, { previous }: PutAnswer): object {
  return previous === undefined ? { header } : { header, prevKv: wireKeyValue(previous) }
}

export function deleteResponse(header: Partial<Header>, { deleted, previous }: DeleteAnswer): object {
  return { header, deleted, prevKvs: previous.map(wireKeyValue) }
}

/** `answers` holds no range of the past any more. */
export function txnResponse(header: Partial<Header>, { succeeded, answers }: TxnAnswer): object {
  return { header, succeeded, responses: answers.map(operationResponse) }
}

function operationResponse(operation: OperationAnswer): object {
  switch (operation.kind) {
    case 'range':
      return { responseRange: rangeResponse({ revision: operation.answer.revision }, operation.answer) }
    case 'put':
      return { responsePut: putResponse({ revision: operation.answer.revision }, operation.answer) }
    case 'delete':
      return {
        responseDeleteRange: deleteResponse({ revision: operation.answer.revision }, operation.answer),
      }
    case 'txn':
      return { responseTxn: txnResponse({}, operation.answer) }
    case 'past':
      throw new Error('a range of the past was not read')
  }
}
