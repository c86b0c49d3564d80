import { bounds } from '../../domains/kv/interval.ts'
import type {
  DeleteAnswer,
  DeleteRequest,
  KeyValue,
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
  type PinnedRange,
  pinRange,
  presentSource,
} from '../../domains/kv/range.ts'
import { isLarge } from '../../domains/kv/sweep.ts'
import { checkRevision, intervalsOf, progressOf, ReadKeys, Transaction } from '../../domains/kv/txn.ts'
import type { PastRangeAnswer } from '../../projections/keys/queries.ts'
import { deletionParts, type Parts, rangeAnswer } from './big_range.ts'
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
        const local = () => deleteRange(member, fields)
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
          const wanted = { revision: revision.toNumber() }
          const { result, revision: index } = await member.submit('Compact', wanted, [])
          if (physical) await member.projected(index, PROJECTED_TIMEOUT_MS)
          return encode(response, { header: member.header(result['revision'] as number) })
        }
        return router.lead({ path: `${SERVICE}Compact`, request, metadata, writes: true, local })
      },
    ],
  ]
}

async function deleteRange(member: Member, request: DeleteRequest): Promise<Uint8Array | Parts> {
  const keys = bounds(request.key, request.rangeEnd)
  while (member.swept.isSwept([keys])) await member.swept.wait([keys])
  const taken = request.previous && isLarge(member.view.keys.countRange(...keys))
  // As they are in this turn, in which the deletion is decided.
  const pinned = taken ? member.view.keys.chunks(...keys) : undefined
  try {
    const wanted = taken ? { ...request, previous: false } : request
    const answer = (await member.submit('DeleteRange', wanted, [keys])).result as unknown as DeleteAnswer
    if (pinned === undefined)
      return encode('DeleteRangeResponse', deleteResponse(member.header(answer.revision), answer))
    const previous: KeyValue[] = []
    for await (const chunk of pinned) previous.push(...chunk)
    return deletionParts(member.headerStart, { ...answer, previous })
  } finally {
    await pinned?.return?.()
  }
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
    const { result } = await member.submit('Put', wanted, [bounds(wanted.key, '')])
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
    const found = await member.read(serializable, [bounds(wanted.key, wanted.rangeEnd)], (view) => {
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

/** A range of an older revision, from the history. Throws what `read` does, which is told of how many keys are read. */
async function readPast(
  member: Member,
  wanted: RangeRequest,
  present: number,
  reads: (keys: number) => void = () => undefined,
): Promise<RangeAnswer> {
  const { revision, limit, sortOrder } = wanted
  const [from, to] = bounds(wanted.key, wanted.rangeEnd)
  const bounded =
    wanted.minModRevision !== 0 ||
    wanted.maxModRevision !== 0 ||
    wanted.minCreateRevision !== 0 ||
    wanted.maxCreateRevision !== 0
  const whole = limit <= 0 || bounded || sortOrder !== 'none'
  const most = wanted.countOnly ? 0 : whole ? Number.POSITIVE_INFINITY : limit + 1
  const kvs: KeyValue[] = []
  for (let next: string | undefined = from; next !== undefined && kvs.length < most; ) {
    const left = most - kvs.length
    const limit = whole ? undefined : left
    const page: PastRangeAnswer = await member.ask('range', { from: next, to, revision, limit })
    reads(page.kvs.length)
    kvs.push(...page.kvs)
    next = page.next
  }
  const count = kvs.length < most ? kvs.length : (await member.ask('count', { from, to, revision })).count
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
  const keys = intervalsOf(wanted)
  const local = async () => {
    const answer = writes
      ? ((await member.submit('Txn', wanted, keys)).result as unknown as TxnAnswer)
      : await member.read(serializable, keys, (view) => new Transaction(view, undefined).run(wanted))
    const answers = await filled(member, answer.answers, new ReadKeys(writes))
    return encode(response, txnResponse(member.header(answer.revision), { ...answer, answers }))
  }
  if (serializable) return local()
  return router.lead({ path: `${SERVICE}Txn`, request, metadata, writes, local })
}

/** With their ranges of the past read: what they show does not depend on when that is done. */
async function filled(
  member: Member,
  operations: readonly OperationAnswer[],
  read: ReadKeys,
): Promise<readonly OperationAnswer[]> {
  const answers: OperationAnswer[] = []
  for (const operation of operations) {
    if (operation.kind === 'past') {
      const { request, revision } = operation
      answers.push({
        kind: 'range',
        answer: await readPast(member, request, revision, (keys) => read.add(keys)),
      })
    } else if (operation.kind === 'txn') {
      const { answer } = operation
      answers.push({
        kind: 'txn',
        answer: { ...answer, answers: await filled(member, answer.answers, read) },
      })
    } else answers.push(operation)
  }
  return answers
}

function writesAny({ success, failure }: TxnRequest): boolean {
  return [...success, ...failure].some(({ kind, request }) =>
    kind === 'txn' ? writesAny(request) : kind !== 'range',
  )
}

function isSerializable({ success, failure }: RequestFields['TxnRequest']): boolean {
  return [...success, ...failure].every(({ requestRange }) => requestRange?.serializable === true)
}
