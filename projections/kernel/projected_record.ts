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
  const reader = new Reader(payload, 0, payload.length)
  let time = 0
  let record: ProjectedRecord | undefined
  while (reader.next()) {
    if (reader.field === RECORD.time) time = reader.number()
    else if (reader.field === RECORD.decision) record = readDecision(reader.message())
    else if (reader.field === RECORD.history) record = readHistory(reader.message())
    else reader.skip()
  }
  if (record === undefined) throw new Error('the payload is neither a decision nor a history')
  return { ...record, time }
}

function readDecision(reader: Reader): ProjectedRecord {
  const events: StoredEvent[] = []
  const found = { command: '', commandId: '', actor: '', actorKind: '', cause: '' }
  while (reader.next()) {
    if (reader.field === DECISION.events) events.push(readEvent(reader.message()))
    else if (reader.field === DECISION.command) found.command = reader.text()
    else if (reader.field === DECISION.commandId) found.commandId = reader.text()
    else if (reader.field === DECISION.actor) found.actor = reader.text()
    else if (reader.field === DECISION.actorKind) found.actorKind = reader.text()
    else if (reader.field === DECISION.cause) found.cause = reader.text()
    else reader.skip()
  }
  const actorKind = found.actorKind as DecisionRecord['actorKind']
  return { kind: 'decision', time: 0, ...found, actorKind, events }
}

function readHistory(reader: Reader): HistoryRecord {
  const found = { history: '', parent: '', parentRevision: 0 }
  while (reader.next()) {
    if (reader.field === HISTORY.history) found.history = reader.text()
    else if (reader.field === HISTORY.parent) found.parent = reader.text()
    else if (reader.field === HISTORY.parentRevision) found.parentRevision = reader.number()
    else reader.skip()
  }
  return { kind: 'history', time: 0, ...found }
}

function readEvent(reader: Reader): StoredEvent {
  let type = ''
  let version = 0
  let data = '{}'
  while (reader.next()) {
    if (reader.field === EVENT.type) type = reader.text()
    else if (reader.field === EVENT.version) version = reader.number()
    else if (reader.field === EVENT.data) data = reader.text()
    else reader.skip()
  }
  return { type, version, data: JSON.parse(data) as Record<string, unknown> }
}

/** The fields of one message (https://protobuf.dev/programming-guides/encoding), one after the other. */
class Reader {
  readonly #bytes: Buffer
  readonly #end: number
  #at: number
  field = 0
  #wireType = 0

  constructor(bytes: Buffer, start: number, end: number) {
    this.#bytes = bytes
    this.#at = start
    this.#end = end
  }

  /** Goes to the next field; false where there is none. */
  next(): boolean {
    if (this.#at >= this.#end) return false
    const tag = this.number()
    this.field = tag >>> 3
    this.#wireType = tag & 7
    return true
  }

  /** A varint of up to 53 bits. */
  number(): number {
    let value = 0
    for (let factor = 1; this.#at < this.#end; factor *= 128) {
      const byte = this.#bytes[this.#at++] as number
      value += (byte & 127) * factor
      if (byte < 128 && Number.isSafeInteger(value)) return value
      if (factor > 2 ** 49) break
    }
    throw new RangeError('the payload holds no number where one must be')
  }

  text(): string {
    const end = this.#length()
    const text = this.#bytes.toString('utf8', this.#at, end)
    this.#at = end
    return text
  }

  message(): Reader {
    const end = this.#length()
    const reader = new Reader(this.#bytes, this.#at, end)
    this.#at = end
    return reader
  }

  skip(): void {
    if (this.#wireType === VARINT) this.number()
    else this.#at = this.#length()
  }

  /** Where a field that says its length ends. */
  #length(): number {
    if (this.#wireType !== BYTES) throw new RangeError('the payload is of another shape')
    const end = this.number() + this.#at
    if (end > this.#end) throw new RangeError('the payload is cut short')
    return end
  }
}
