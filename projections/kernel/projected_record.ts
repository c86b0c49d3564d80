import type { DecisionRecord, HistoryRecord, StoredEvent } from '../../domains/kernel/record.ts'

/** Of a decision, what rows are made of: neither the request nor the result. */
export type ProjectedRecord = Omit<DecisionRecord, 'request' | 'result'> | HistoryRecord

const VARINT = 0
const BYTES = 2

/** The fields of `ultracloud.log.v1.Record` and of the messages in it (domains/kernel/record.ts). */
const RECORD = { time: 1, decision: 2, history: 3 } as const
const DECISION = {
  command: 1,
  commandId: 3,
  actor: 4,
  actorKind: 5,
  cause: 6,
  events: 8,
} as const
const HISTORY = { history: 1, parent: 2, parentRevision: 3 } as const
const EVENT = { type: 1, version: 2, data: 3 } as const

/**
 * Reads a log entry's payload as `decodeRecord` does, but leaves out the request and the result, which are the larger part of it and
 * of which no rows are made. Throws Error for bytes that are no record.
 */
export function readRecord(payload: Buffer): ProjectedRecord {
  const fields = new Fields(payload)
  let time = 0
  let decision = NONE
  let history = NONE
  while (fields.next(payload.length)) {
    if (fields.number === RECORD.time) time = fields.integer()
    else if (fields.number === RECORD.decision) decision = fields.skip()
    else if (fields.number === RECORD.history) history = fields.skip()
    else fields.skip()
  }
  if (history !== NONE) return readHistory(fields, history, time)
  if (decision === NONE) throw new Error('the payload is neither a decision nor a history')
  return readDecision(fields, decision, time)
}

/** No field begins there. */
const NONE = -1

function readDecision(fields: Fields, start: number, time: number): ProjectedRecord {
  const end = fields.enter(start)
  const events: StoredEvent[] = []
  let command = ''
  let commandId = ''
  let actor = ''
  let actorKind = ''
  let cause = ''
  while (fields.next(end)) {
    if (fields.number === DECISION.events) events.push(readEvent(fields))
    else if (fields.number === DECISION.command) command = fields.text()
    else if (fields.number === DECISION.commandId) commandId = fields.text()
    else if (fields.number === DECISION.actor) actor = fields.text()
    else if (fields.number === DECISION.actorKind) actorKind = fields.text()
    else if (fields.number === DECISION.cause) cause = fields.text()
    else fields.skip()
  }
  const kind = actorKind as DecisionRecord['actorKind']
  return { kind: 'decision', time, command, commandId, actor, actorKind: kind, cause, events }
}

function readHistory(fields: Fields, start: number, time: number): HistoryRecord {
  const end = fields.enter(start)
  const found = { history: '', parent: '', parentRevision: 0 }
  while (fields.next(end)) {
    if (fields.number === HISTORY.history) found.history = fields.text()
    else if (fields.number === HISTORY.parent) found.parent = fields.text()
    else if (fields.number === HISTORY.parentRevision) found.parentRevision = fields.integer()
    else fields.skip()
  }
  return { kind: 'history', time, ...found }
}

function readEvent(fields: Fields): StoredEvent {
  const end = fields.end()
  let type = ''
  let version = 0
  let data = '{}'
  while (fields.next(end)) {
    if (fields.number === EVENT.type) type = fields.text()
    else if (fields.number === EVENT.version) version = fields.integer()
    else if (fields.number === EVENT.data) data = fields.text()
    else fields.skip()
  }
  return { type, version, data: JSON.parse(data) as Record<string, unknown> }
}

/** The fields of a message and of those in it (https://protobuf.dev/programming-guides/encoding), one after the other. */
class Fields {
  readonly #bytes: Buffer
  #at = 0
  /** The field's number, and how it is written. */
  number = 0
  #wireType = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  /** Goes to the next field of a message that ends there; false where there is none. */
  next(end: number): boolean {
    if (this.#at >= end) return false
    const tag = this.integer()
    this.number = tag >>> 3
    this.#wireType = tag & 7
    return true
  }

  /** A varint of up to 53 bits. */
  integer(): number {
    const first = this.#bytes[this.#at]
    if (first !== undefined && first < 128) {
      this.#at += 1
      return first
    }
    let value = 0
    for (let factor = 1; this.#at < this.#bytes.length; factor *= 128) {
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 127) * factor
      if (byte < 128 && value <= Number.MAX_SAFE_INTEGER) return value
      if (factor > 2 ** 49) break
    }
    throw new RangeError('the payload holds no number where one must be')
  }

  text(): string {
    const end = this.end()
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end
    return text
  }

  /** Gives where the field begins, for `enter`. */
  skip(): number {
    const start = this.#at
    if (this.#wireType === VARINT) this.integer()
    else this.#at = this.end()
    return start
  }

  /** Goes back to a message that was skipped, and gives where it ends. */
  enter(start: number): number {
    this.#at = start
    this.#wireType = BYTES
    return this.end()
  }

  /** Where the field ends, which must be one that says its length; what is in it comes next. */
  end(): number {
    if (this.#wireType !== BYTES) throw new RangeError('the payload is of another shape')
    const length = this.integer()
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('the payload is cut short')
    return end
  }
}
