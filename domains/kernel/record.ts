import { createHash } from 'node:crypto'
import { fieldBytes, numberBytes, textBytes, WireReader, WireWriter } from '../../log/wire.ts'

/** One event as it is stored. */
export interface StoredEvent {
  /** `domain.Event`. */
  readonly type: string
  readonly version: number
  readonly data: Readonly<Record<string, unknown>>
}

/** One decision: the command, and the events it led to over any domains. */
export interface DecisionRecord {
  readonly kind: 'decision'
  /** Milliseconds since 1970; never before the previous entry's. */
  readonly time: number
  /** `domain.Command`. */
  readonly command: string
  readonly request: Readonly<Record<string, unknown>>
  /** Empty for what processes submit: that is safe by state alone. */
  readonly commandId: string
  readonly actor: string
  readonly actorKind: 'user' | 'service_account' | 'process'
  /** What led to it: a process's reason; empty for a person's own doing. */
  readonly cause: string
  readonly result: Readonly<Record<string, unknown>>
  readonly events: readonly StoredEvent[]
}

/** A new history begins: at genesis, at a restore, at a fork. */
export interface HistoryRecord {
  readonly kind: 'history'
  readonly time: number
  readonly history: string
  /** The history this one goes on from, and the last index they share; '' and 0 at genesis. */
  readonly parent: string
  readonly parentRevision: number
}

export type LogRecord = DecisionRecord | HistoryRecord

const strict = new TextDecoder('utf-8', { fatal: true })
const EMPTY_OBJECT = '{}'

/**
 * The payload of a log entry, as record.proto says: a protobuf envelope with JSON inside, so that any log can be read with ordinary
 * tools.
 */
export function encodeRecord(record: LogRecord): Uint8Array {
  return record.kind === 'history' ? encodeHistory(record) : encodeDecision(record)
}

function encodeHistory({ time, history, parent, parentRevision }: HistoryRecord): Uint8Array {
  const historyBytes = Buffer.byteLength(history)
  const parentBytes = Buffer.byteLength(parent)
  const length = textBytes(historyBytes) + textBytes(parentBytes) + numberBytes(parentRevision)
  const writer = new WireWriter(Buffer.allocUnsafe(numberBytes(time) + fieldBytes(length)))
  writer.number(1, time)
  writer.head(3, length)
  writer.text(1, history, historyBytes, 'utf8')
  writer.text(2, parent, parentBytes, 'utf8')
  writer.number(3, parentRevision)
  return writer.buffer
}

interface EncodedEvent {
  readonly event: StoredEvent
  readonly typeBytes: number
  readonly data: string
  readonly dataBytes: number
  readonly length: number
}

function measured(event: StoredEvent): EncodedEvent {
  const typeBytes = Buffer.byteLength(event.type)
  const data = JSON.stringify(event.data)
  const dataBytes = Buffer.byteLength(data)
  const length = textBytes(typeBytes) + numberBytes(event.version) + fieldBytes(dataBytes)
  return { event, typeBytes, data, dataBytes, length }
}

function encodeDecision(record: DecisionRecord): Uint8Array {
  const request = jsonOf(record.request)
  const result = jsonOf(record.result)
  const commandBytes = Buffer.byteLength(record.command)
  const requestBytes = Buffer.byteLength(request)
  const idBytes = Buffer.byteLength(record.commandId)
  const actorBytes = Buffer.byteLength(record.actor)
  const kindBytes = Buffer.byteLength(record.actorKind)
  const causeBytes = Buffer.byteLength(record.cause)
  const resultBytes = Buffer.byteLength(result)
  const events = record.events.map(measured)
  let length =
    textBytes(commandBytes) +
    fieldBytes(requestBytes) +
    textBytes(idBytes) +
    textBytes(actorBytes) +
    textBytes(kindBytes) +
    textBytes(causeBytes) +
    fieldBytes(resultBytes)
  for (const event of events) length += fieldBytes(event.length)
  const writer = new WireWriter(Buffer.allocUnsafe(numberBytes(record.time) + fieldBytes(length)))
  writer.number(1, record.time)
  writer.head(2, length)
  writer.text(1, record.command, commandBytes, 'utf8')
  writer.text(2, request, requestBytes, 'utf8')
  writer.text(3, record.commandId, idBytes, 'utf8')
  writer.text(4, record.actor, actorBytes, 'utf8')
  writer.text(5, record.actorKind, kindBytes, 'utf8')
  writer.text(6, record.cause, causeBytes, 'utf8')
  writer.text(7, result, resultBytes, 'utf8')
  for (const { event, typeBytes, data, dataBytes, length: eventBytes } of events) {
    writer.head(8, eventBytes)
    writer.text(1, event.type, typeBytes, 'utf8')
    writer.number(2, event.version)
    writer.text(3, data, dataBytes, 'utf8')
  }
  return writer.buffer
}

function jsonOf(value: Readonly<Record<string, unknown>>): string {
  for (const _ in value) return JSON.stringify(value)
  return EMPTY_OBJECT
}

/** Throws Error for bytes that are no record. */
export function decodeRecord(payload: Uint8Array): LogRecord {
  const bytes = Buffer.isBuffer(payload)
    ? payload
    : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength)
  const reader = new WireReader(bytes, 0, bytes.length)
  let time = 0
  let history: HistoryRecord | undefined
  let decision: DecisionRecord | undefined
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) time = reader.number()
    else if (field === 2) decision = decodeDecision(new WireReader(bytes, reader.bytes(), reader.at), time)
    else if (field === 3) history = decodeHistory(new WireReader(bytes, reader.bytes(), reader.at), time)
    else reader.skip()
  }
  const record = history ?? decision
  if (record === undefined) throw new Error('the payload is neither a decision nor a history')
  return record
}

function decodeHistory(reader: WireReader, time: number): HistoryRecord {
  let history = ''
  let parent = ''
  let parentRevision = 0
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) history = textOf(reader)
    else if (field === 2) parent = textOf(reader)
    else if (field === 3) parentRevision = reader.number()
    else reader.skip()
  }
  return { kind: 'history', time, history, parent, parentRevision }
}

function decodeDecision(reader: WireReader, time: number): DecisionRecord {
  let command = ''
  let request = EMPTY_OBJECT
  let commandId = ''
  let actor = ''
  let actorKind = ''
  let cause = ''
  let result = EMPTY_OBJECT
  const events: StoredEvent[] = []
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    switch (field) {
      case 1:
        command = textOf(reader)
        break
      case 2:
        request = textOf(reader)
        break
      case 3:
        commandId = textOf(reader)
        break
      case 4:
        actor = textOf(reader)
        break
      case 5:
        actorKind = textOf(reader)
        break
      case 6:
        cause = textOf(reader)
        break
      case 7:
        result = textOf(reader)
        break
      case 8:
        events.push(decodeEvent(new WireReader(reader.buffer, reader.bytes(), reader.at)))
        break
      default:
        reader.skip()
    }
  }
  return {
    kind: 'decision',
    time,
    command,
    request: objectOf(request),
    commandId,
    actor,
    actorKind: actorKind as DecisionRecord['actorKind'],
    cause,
    result: objectOf(result),
    events,
  }
}

function decodeEvent(reader: WireReader): StoredEvent {
  let type = ''
  let version = 0
  let data = EMPTY_OBJECT
  for (let field = reader.next(); field !== 0; field = reader.next()) {
    if (field === 1) type = textOf(reader)
    else if (field === 2) version = reader.number()
    else if (field === 3) data = textOf(reader)
    else reader.skip()
  }
  return { type, version, data: objectOf(data) }
}

function textOf(reader: WireReader): string {
  const from = reader.bytes()
  const text = reader.buffer.toString('utf8', from, reader.at)
  // What is no UTF-8 was replaced by U+FFFD: then, and only then, it is looked at again.
  return text.includes('\ufffd') ? strict.decode(reader.buffer.subarray(from, reader.at)) : text
}

function objectOf(text: string): Record<string, unknown> {
  return text === EMPTY_OBJECT ? {} : (JSON.parse(text) as Record<string, unknown>)
}

/** What binds a command id to its request: SHA-256 over the type and the JSON of the parsed request. */
export function requestHash(command: string, request: unknown): string {
  return createHash('sha256').update(command).update('\0').update(JSON.stringify(request)).digest('base64url')
}
