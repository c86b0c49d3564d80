import type {
  DeleteAnswer,
  OperationAnswer,
  PutAnswer,
  RangeAnswer,
  RangeRequest,
  TxnAnswer,
  TxnRequest,
} from '../../domains/kv/model.ts'
import {
  answerPinned,
  answerRange,
  bounds,
  type PinnedRange,
  pinRange,
  presentSource,
} from '../../domains/kv/range.ts'
import { checkRevision, progressOf, Transaction } from '../../domains/kv/txn.ts'
import { type Parts, rangeAnswer } from './big_range.ts'
import { checkKey, checkPut, checkSize, checkTxn } from './checks.ts'
import {
  deleteRequest,
  deleteResponse,
  putRequest,
  putResponse,
  rangeRequest,
  txnRequest,
  txnResponse,
} from './convert.ts'
import type { Headers } from './http2/hpack.ts'
import type { Member } from './member.ts'
import { decode, encode, type RequestFields } from './messages.ts'
import type { Router } from './router.ts'
import type { UnaryMethod } from './unary_call.ts'

const SERVICE = '/etcdserverpb.KV/'
export const PUT = `${SERVICE}Put`
export const RANGE = `${SERVICE}Range`
const PROJECTED_TIMEOUT_MS = 10_000

/** Writes and transactions, without the puts and ranges that go by `hotMethods` first. */
export function kvMethods(member: Member, router: Router): [path: string, method: UnaryMethod][] {
  return [
    [
      `${SERVICE}DeleteRange`,
      async (request, metadata) => {
        const fields = deleteRequest(decode('DeleteRangeRequest', request))
        checkKey(fields)
        checkSize(request)
        const response = 'DeleteRangeResponse'
        const local = async () => {
          const { result } = await member.submit('DeleteRange', fields)
          const answer = result as unknown as DeleteAnswer
          return encode(response, deleteResponse(member.header(answer.revision), answer))
        }
        return router.lead({
          path: `${SERVICE}DeleteRange`,
          request,
          metadata,
          writes: true,
          local,
        })
      },
    ],
    [`${SERVICE}Txn`, (request, metadata) => txn(member, router, request, metadata)],
    [
      `${SERVICE}Compact`,
      async (request, metadata) => {
        const { revision, physical } = decode('CompactionRequest', request)
        const response = 'CompactionResponse'
        const local = async () => {
          const { result, revision: index } = await member.submit('Compact', {
            revision: revision.toNumber(),
          })
          if (physical) await member.projected(index, PROJECTED_TIMEOUT_MS)
          return encode(response, { header: member.header(result['revision'] as number) })
        }
        return router.lead({ path: `${SERVICE}Compact`, request, metadata, writes: true, local })
      },
    ],
  ]
}

export async function put(
  member: Member,
  router: Router,
  request: Buffer,
  metadata: Headers,
): Promise<Uint8Array> {
  const wanted = putRequest(decode('PutRequest', request))
  checkPut(wanted)
  checkSize(request)
  const response = 'PutResponse'
  const local = async () => {
    const { result } = await member.submit('Put', wanted)
    const answer = result as unknown as PutAnswer
    return encode(response, putResponse(member.header(answer.revision), answer))
  }
  return router.lead({ path: PUT, request, metadata, writes: true, local })
}

export async function range(
  member: Member,
  router: Router,
  request: Buffer,
  metadata: Headers,
): Promise<Uint8Array | Parts> {
  const fields = decode('RangeRequest', request)
  const wanted = rangeRequest(fields)
  checkKey(wanted)
  const local = async () => {
    const answer = await readRange(member, { ...wanted, keysOnly: false }, fields.serializable)
    return rangeAnswer(member.headerStart, answer, wanted.keysOnly)
  }
  if (fields.serializable) return local()
  return router.lead({ path: RANGE, request, metadata, writes: false, local })
}

async function readRange(member: Member, wanted: RangeRequest, serializable: boolean): Promise<RangeAnswer> {
  let pinned: PinnedRange | undefined
  try {
    const found = await member.read(serializable, (view) => {
      const progress = progressOf(view)
      checkRevision(progress, wanted.revision)
      if (wanted.revision > 0 && wanted.revision < progress.revision) return progress.revision
      void pinned?.chunks.return?.()
      pinned = pinRange(wanted, view.keys, progress.revision)
      return pinned ?? answerRange(wanted, presentSource(view.keys), progress.revision)
    })
    if (typeof found === 'number') return await readPast(member, wanted, found)
    return 'chunks' in found ? await answerPinned(wanted, found) : found
  } finally {
    await pinned?.chunks.return?.()
  }
}

/** A range of an older revision, from the history. */
async function readPast(member: Member, wanted: RangeRequest, present: number) {
  const { revision, limit, sortOrder } = wanted
  const [from, to] = bounds(wanted.key, wanted.rangeEnd)
  const bounded =
    wanted.minModRevision !== 0 ||
    wanted.maxModRevision !== 0 ||
    wanted.minCreateRevision !== 0 ||
    wanted.maxCreateRevision !== 0
  const whole = limit <= 0 || bounded || sortOrder !== 'none'
  const { count, kvs } = await member.ask('range', {
    from,
    to,
    revision,
    limit: wanted.countOnly ? 0 : whole ? undefined : limit + 1,
  })
  return answerRange(wanted, { count: () => count, read: () => kvs }, present)
}

const txn = async (
  member: Member,
  router: Router,
  request: Buffer,
  metadata: Headers,
): Promise<Uint8Array> => {
  const fields = decode('TxnRequest', request)
  const wanted = txnRequest(fields)
  checkTxn(wanted)
  const writes = writesAny(wanted)
  if (writes) checkSize(request)
  const serializable = !writes && isSerializable(fields)
  const response = 'TxnResponse'
  const local = async () => {
    const answer = writes
      ? ((await member.submit('Txn', wanted)).result as unknown as TxnAnswer)
      : await member.read(serializable, (view) => new Transaction(view, undefined).run(wanted))
    const answers = await Promise.all(answer.answers.map((each) => filled(member, each)))
    return encode(response, txnResponse(member.header(answer.revision), { ...answer, answers }))
  }
  if (serializable) return local()
  return router.lead({ path: `${SERVICE}Txn`, request, metadata, writes, local })
}

/** With its ranges of the past read: what they show does not depend on when that is done. */
async function filled(member: Member, operation: OperationAnswer): Promise<OperationAnswer> {
  if (operation.kind === 'past') {
    return { kind: 'range', answer: await readPast(member, operation.request, operation.revision) }
  }
  if (operation.kind !== 'txn') return operation
  const { answer } = operation
  const answers = await Promise.all(answer.answers.map((each) => filled(member, each)))
  return { kind: 'txn', answer: { ...answer, answers } }
}

function writesAny({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].some(({ kind, request }) =>
    kind === 'txn' ? writesAny(request) : kind !== 'range',
  )
}

function isSerializable({ success, failure }: RequestFields['TxnRequest']): boolean {
  return [...success, ...failure].every(({ requestRange }) => requestRange?.serializable === true)
}
