import { z } from 'zod'
import { type Message, message } from '../kernel/contract.ts'

/**
 * Bytes as text, one character (U+0000 to U+00FF) a byte: it sorts as the bytes do, costs a byte a character in memory, and
 * text stays readable in the log.
 */
export const Bytes = z.string().regex(/^[\0-\xff]*$/, 'must be bytes: characters up to U+00FF')
export const Key = Bytes.min(1)
/** A signed 64-bit number in decimal: it may exceed what a number holds. '0' is none. */
export const LeaseId = z.string().regex(/^(0|-?[1-9]\d{0,18})$/)
export const Revision = z.int()

/** A key as of a revision. */
export interface KeyValue {
  readonly key: string
  readonly value: string
  /** The revision in which the key came to be, the one of its last change, and how many changes it has had since it came to be. */
  readonly createRevision: number
  readonly modRevision: number
  readonly version: number
  readonly lease: string
}

const sortTargets = ['key', 'version', 'create', 'mod', 'value'] as const
const compareResults = ['equal', 'greater', 'less', 'not_equal'] as const
const compareTargets = ['version', 'create', 'mod', 'value', 'lease'] as const

const interval = { key: [1, Key], rangeEnd: [2, Bytes] } as const

const rangeFields = message({
  ...interval,
  limit: [3, z.int()],
  /** 0 or less: the present. */
  revision: [4, Revision],
  sortOrder: [5, z.enum(['none', 'ascend', 'descend'])],
  sortTarget: [6, z.enum(sortTargets)],
  keysOnly: [7, z.boolean()],
  countOnly: [8, z.boolean()],
  minModRevision: [9, Revision],
  maxModRevision: [10, Revision],
  minCreateRevision: [11, Revision],
  maxCreateRevision: [12, Revision],
})
export type RangeRequest = z.output<typeof rangeFields.schema>

export const putFields = message({
  key: [1, Key],
  value: [2, Bytes],
  lease: [3, LeaseId],
  previous: [4, z.boolean()],
  ignoreValue: [5, z.boolean()],
  ignoreLease: [6, z.boolean()],
})
export type PutRequest = z.output<typeof putFields.schema>

export const deleteFields = message({ ...interval, previous: [3, z.boolean()] })
export type DeleteRequest = z.output<typeof deleteFields.schema>

const compareFields = message({
  ...interval,
  result: [3, z.enum(compareResults)],
  target: [4, z.enum(compareTargets)],
  /** What it is compared with: bytes for `value`, a decimal number for the others. */
  operand: [5, z.string()],
})
export type Compare = z.output<typeof compareFields.schema>

export type Operation =
  | { readonly kind: 'range'; readonly request: RangeRequest }
  | { readonly kind: 'put'; readonly request: PutRequest }
  | { readonly kind: 'delete'; readonly request: DeleteRequest }
  | { readonly kind: 'txn'; readonly request: TxnRequest }

export interface TxnRequest {
  readonly compare: readonly Compare[]
  readonly success: readonly Operation[]
  readonly failure: readonly Operation[]
}

const OperationShape: z.ZodType<Operation> = z.lazy(() =>
  z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('range'), request: rangeFields.schema }),
    z.strictObject({ kind: z.literal('put'), request: putFields.schema }),
    z.strictObject({ kind: z.literal('delete'), request: deleteFields.schema }),
    z.strictObject({ kind: z.literal('txn'), request: txnFields.schema }),
  ]),
)
const operations = z.array(OperationShape).readonly()

export const txnFields: Message<{
  readonly compare: readonly [1, z.ZodType<readonly Compare[]>]
  readonly success: readonly [2, z.ZodType<readonly Operation[]>]
  readonly failure: readonly [3, z.ZodType<readonly Operation[]>]
}> = message({
  compare: [1, z.array(compareFields.schema).readonly()],
  success: [2, operations],
  failure: [3, operations],
})

export interface RangeAnswer {
  readonly revision: number
  readonly kvs: readonly KeyValue[]
  readonly more: boolean
  readonly count: number
}

export interface PutAnswer {
  readonly revision: number
  /** The key before; undefined when there was none or it was not asked for. */
  readonly previous: KeyValue | undefined
}

export interface DeleteAnswer {
  readonly revision: number
  readonly deleted: number
  readonly previous: readonly KeyValue[]
}

export type OperationAnswer =
  | { readonly kind: 'range'; readonly answer: RangeAnswer }
  /** A range of an older revision: it is in the history on disk, and the same whenever it is read. */
  | { readonly kind: 'past'; readonly request: RangeRequest; readonly revision: number }
  | { readonly kind: 'put'; readonly answer: PutAnswer }
  | { readonly kind: 'delete'; readonly answer: DeleteAnswer }
  | { readonly kind: 'txn'; readonly answer: TxnAnswer }

export interface TxnAnswer {
  readonly revision: number
  readonly succeeded: boolean
  readonly answers: readonly OperationAnswer[]
}
