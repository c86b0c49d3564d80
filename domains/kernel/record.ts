import { createHash } from 'node:crypto'
import protobuf from 'protobufjs'

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

const schema = protobuf.parse(
  `syntax = "proto3";
  package ultracloud.log.v1;
  message Event { string type = 1; uint32 version = 2; bytes data = 3; }
  message Decision { string command = 1; bytes request = 2; string command_id = 3; string actor = 4; string actor_kind = 5;
    string cause = 6; bytes result = 7; repeated Event events = 8; }
  message History { string history = 1; string parent = 2; uint64 parent_revision = 3; }
  message Record { uint64 time = 1; Decision decision = 2; History history = 3; }`,
  { keepCase: true },
)
const RecordType = schema.root.lookupType('ultracloud.log.v1.Record')

interface WireEvent {
  type: string
  version: number
  data: Uint8Array
}
interface WireRecord {
  time: number | { toNumber(): number }
  decision?: {
    command: string
    request: Uint8Array
    command_id: string
    actor: string
    actor_kind: string
    cause: string
    result: Uint8Array
    events: WireEvent[]
  } | null
  history?: { history: string; parent: string; parent_revision: number | { toNumber(): number } } | null
}

const text = new TextDecoder('utf-8', { fatal: true })
const json = (value: unknown): Uint8Array => Buffer.from(JSON.stringify(value))
const parse = (bytes: Uint8Array): Record<string, unknown> =>
  JSON.parse(text.decode(bytes)) as Record<string, unknown>
const number = (value: number | { toNumber(): number }): number =>
  typeof value === 'number' ? value : value.toNumber()

/** The payload of a log entry: a protobuf envelope with JSON inside, so that any log can be read with ordinary tools. */
export function encodeRecord(record: LogRecord): Uint8Array {
  if (record.kind === 'history') {
    const { history, parent, parentRevision } = record
    return RecordType.encode({
      time: record.time,
      history: { history, parent, parent_revision: parentRevision },
    }).finish()
  }
  const events = record.events.map(({ type, version, data }) => ({ type, version, data: json(data) }))
  const decision = {
    command: record.command,
    request: json(record.request),
    command_id: record.commandId,
    actor: record.actor,
    actor_kind: record.actorKind,
    cause: record.cause,
    result: json(record.result),
    events,
  }
  return RecordType.encode({ time: record.time, decision }).finish()
}

/** Throws Error for bytes that are no record. */
export function decodeRecord(payload: Uint8Array): LogRecord {
  const wire = RecordType.decode(payload) as unknown as WireRecord
  const time = number(wire.time)
  if (wire.history) {
    const { history, parent, parent_revision } = wire.history
    return { kind: 'history', time, history, parent, parentRevision: number(parent_revision) }
  }
  if (!wire.decision) throw new Error('the payload is neither a decision nor a history')
  const { decision } = wire
  return {
    kind: 'decision',
    time,
    command: decision.command,
    request: parse(decision.request),
    commandId: decision.command_id,
    actor: decision.actor,
    actorKind: decision.actor_kind as DecisionRecord['actorKind'],
    cause: decision.cause,
    result: parse(decision.result),
    events: decision.events.map(({ type, version, data }) => ({ type, version, data: parse(data) })),
  }
}

/** What binds a command id to its request: SHA-256 over the type and the JSON of the parsed request. */
export function requestHash(command: string, request: unknown): string {
  return createHash('sha256').update(command).update('\0').update(JSON.stringify(request)).digest('base64url')
}
