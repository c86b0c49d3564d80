import type { Settled } from '../../domains/kernel/in_flight.ts'
import type { Rejection } from '../../domains/kernel/rejection.ts'
import type { PutAnswer, PutRequest, RangeAnswer } from '../../domains/kv/model.ts'
import { answerRange, presentSource } from '../../domains/kv/range.ts'
import { progressOf } from '../../domains/kv/txn.ts'
import { checkKey, checkPut, checkSize } from './checks.ts'
import { putFields, putResponse } from './convert.ts'
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
    [PUT, (request, metadata, call) => hotPut(member, router, commonPut, request, metadata, call)],
    [RANGE, (request, metadata, call) => hotGet(member, router, commonRange, request, metadata, call)],
  ]
}

function hotPut(
  member: Member,
  router: Router,
  common: DirectMethod,
  request: Buffer,
  metadata: Headers,
  call: Answering,
): void {
  const wanted = member.platform.leading && !member.swept.sweeping ? readPut(request) : undefined
  if (wanted === undefined) {
    common(request, metadata, call)
    return
  }
  checkPut(wanted)
  checkSize(request)
  member.put(wanted, new PutCall(member, router, call, wanted, common, metadata))
}

/** What a put holds while it is in flight: there are many of them. */
class PutCall implements Settled {
  readonly #member: Member
  readonly #router: Router
  readonly #call: Answering
  readonly #wanted: PutRequest
  readonly #common: DirectMethod
  readonly #metadata: Headers

  constructor(
    member: Member,
    router: Router,
    call: Answering,
    wanted: PutRequest,
    common: DirectMethod,
    metadata: Headers,
  ) {
    this.#member = member
    this.#router = router
    this.#call = call
    this.#wanted = wanted
    this.#common = common
    this.#metadata = metadata
  }

  committed(result: Readonly<Record<string, unknown>>): void {
    const answer = result as unknown as PutAnswer
    if (answer.previous === undefined) this.#call.answer(framedPut(this.#member.headerStart, answer.revision))
    else
      this.#call.answer(
        frame(encode('PutResponse', putResponse(this.#member.header(answer.revision), answer))),
      )
  }

  undone(why: Rejection): void {
    if (!this.#router.isForAnother(why)) {
      this.#call.fail(why)
      return
    }
    const request = Buffer.from(encode('PutRequest', putFields(this.#wanted)))
    this.#common(request, this.#metadata, this.#call)
  }
}

function hotGet(
  member: Member,
  router: Router,
  common: DirectMethod,
  request: Buffer,
  metadata: Headers,
  call: Answering,
): void {
  const get = readGet(request)
  const here =
    get !== undefined &&
    get.wanted.rangeEnd === '' &&
    !member.swept.sweeping &&
    (get.serializable || member.platform.leading)
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
      if (router.isForAnother(error)) common(request, metadata, call)
      else call.fail(error)
    },
  )
}
