import type { Operation } from './history.ts'

/** A key as a client was told of it. Revisions are those of the store. */
export interface KeyValue {
  readonly key: string
  readonly value: string
  readonly version: number
  readonly create: number
  readonly mod: number
  /** '0': none. */
  readonly lease: string
}

/** A part of a transaction. Without an `end` it is about the key alone, else about [key, end). */
export type Part =
  | { readonly kind: 'get'; readonly key: string; readonly end?: string }
  | {
      readonly kind: 'put'
      readonly key: string
      readonly value: string
      readonly lease: string
      /** Whether the answer holds the key as it was before. */
      readonly previous: boolean
    }
  | { readonly kind: 'delete'; readonly key: string; readonly end?: string; readonly previous: boolean }

/** Holds when the key's field equals the operand; a key that is not there has revisions and version 0, and no value. */
export interface Comparison {
  readonly key: string
  readonly target: 'version' | 'create' | 'mod' | 'value'
  readonly operand: number | string
}

/** Gets, puts and deletes are transactions of one part that compare nothing. */
export interface Txn {
  readonly kind: 'txn'
  readonly compare: readonly Comparison[]
  readonly success: readonly Part[]
  readonly failure: readonly Part[]
}

export type KvInput =
  | Txn
  | { readonly kind: 'grant'; readonly lease: string; readonly ttlSeconds: number }
  | { readonly kind: 'revoke'; readonly lease: string }
  | { readonly kind: 'keepalive'; readonly lease: string }
  /** LeaseTimeToLive with the keys that are attached. */
  | { readonly kind: 'inspect'; readonly lease: string }
  /** What the store does by itself once a lease was not kept alive for its whole time. */
  | { readonly kind: 'expire'; readonly lease: string }

export type PartAnswer =
  | { readonly kind: 'get'; readonly found: readonly KeyValue[] }
  | { readonly kind: 'put'; readonly previous: KeyValue | undefined }
  | { readonly kind: 'delete'; readonly deleted: number; readonly previous: readonly KeyValue[] }

/** `revision` is that of the answer's header. */
export type KvOutput =
  | {
      readonly kind: 'txn'
      readonly revision: number
      readonly succeeded: boolean
      readonly answers: readonly PartAnswer[]
    }
  | { readonly kind: 'granted' | 'revoked'; readonly revision: number }
  | { readonly kind: 'kept'; readonly revision: number; readonly alive: boolean }
  | {
      readonly kind: 'inspected'
      readonly revision: number
      readonly alive: boolean
      readonly keys: readonly string[]
    }
  /** Nobody answered, but others saw what it wrote. */
  | { readonly kind: 'seen'; readonly revision: number; readonly succeeded: boolean }
  /** A refusal is an answer, too: it tells what is, or is not. */
  | { readonly kind: 'refused'; readonly why: 'lease not found' | 'lease already exists' }

export type KvOperation = Operation<KvInput, KvOutput>

export function txn(parts: readonly Part[]): Txn {
  return { kind: 'txn', compare: [], success: parts, failure: [] }
}

/** Whether it can change anything, if it happened. */
export function isWrite(input: KvInput): boolean {
  if (input.kind === 'txn') return [...input.success, ...input.failure].some(({ kind }) => kind !== 'get')
  return input.kind === 'grant' || input.kind === 'revoke' || input.kind === 'expire'
}

/** Whether a key is in the interval that a part is about. */
export function isWithin(part: { readonly key: string; readonly end?: string }, key: string): boolean {
  return part.end === undefined ? key === part.key : key >= part.key && key < part.end
}

/** Whether an answer tells that its operation made a revision. (That of a revoked lease does not tell.) */
export function writesIn(output: KvOutput): boolean {
  if (output.kind !== 'txn') return false
  return output.answers.some(
    (answer) => answer.kind === 'put' || (answer.kind === 'delete' && answer.deleted > 0),
  )
}
