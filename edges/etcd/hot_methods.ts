import { Rejection } from '../../domains/kernel/rejection.ts'
import type { PutAnswer, RangeAnswer } from '../../domains/kv/model.ts'
import { answerRange, presentSource } from '../../domains/kv/range.ts'
import { progressOf } from '../../domains/kv/txn.ts'
import { checkKey, checkPut } from './checks.ts'
import { putResponse } from './convert.ts'
import { frame } from './frames.ts'
import { framedPut, framedRange, readGet, readPut } from './hot_messages.ts'
import type { Headers } from './http2/hpack.ts'
import { PUT, put, RANGE, range } from './kv_service.ts'
import type { Member } from './member.ts'
import { encode } from './messages.ts'
import type { Router } from './router.ts'
import { type Answering, type DirectMethod, direct } from './unary_call.ts'

/** Puts and gets of one key on the member that leads, the calls that there are most of; the rest goes the common way. */
export function hotMethods(member: Member, router: Router): [path: string, method: DirectMethod][] {
  const commonPut = direct((request, metadata) => put(member, router, request, metadata))
  const commonRange = direct((request, metadata) => range(member, router, request, metadata))
  return [
    [PUT, (request, metadata, call) => hotPut(member, commonPut, request, metadata, call)],
    [RANGE, (request, metadata, call) => hotGet(member, commonRange, request, metadata, call)],
  ]
}

function hotPut(
  member: Member,
  common: DirectMethod,
  request: Buffer,
  metadata: Headers,
  call: Answering,
): void {
  const wanted = member.platform.leading ? readPut(request) : undefined
  if (wanted === undefined) {
    common(request, metadata, call)
    return
  }
  checkPut(wanted)
  member.put(wanted, {
    accepted: ({ result }) => call.answer(putAnswer(member, result as unknown as PutAnswer)),
    failed: (error) => {
      if (isNotLeader(error)) common(request, metadata, call)
      else call.fail(error)
    },
  })
}

function putAnswer(member: Member, answer: PutAnswer): Buffer {
  if (answer.previous === undefined) return framedPut(member.headerStart, answer.revision)
  return frame(encode('PutResponse', putResponse(member.header(answer.revision), answer)))
}

function hotGet(
  member: Member,
  common: DirectMethod,
  request: Buffer,
  metadata: Headers,
  call: Answering,
): void {
  const get = readGet(request)
  const here =
    get !== undefined && get.wanted.rangeEnd === '' && (get.serializable || member.platform.leading)
  if (!here) {
    common(request, metadata, call)
    return
  }
  checkKey(get.wanted)
  const answer = (found: RangeAnswer): void => call.answer(framedRange(member.headerStart, found))
  member.readNow(
    get.serializable,
    (view) => answerRange(get.wanted, presentSource(view.keys), progressOf(view).revision),
    answer,
    (error) => {
      if (isNotLeader(error)) common(request, metadata, call)
      else call.fail(error)
    },
  )
}

/** Nothing was done: it can be done elsewhere, or again. */
function isNotLeader(error: unknown): boolean {
  return error instanceof Rejection && error.code === 'NOT_LEADER'
}
