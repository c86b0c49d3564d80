import type { DiffReply, EventView, LogEntryView } from '../control_plane.ts'
import type { Fields } from './call.ts'

/** An entry as it goes over the wire. */
export function entryFields(entry: LogEntryView): Fields {
  const { request, events, ...rest } = entry
  return {
    ...rest,
    requestJson: JSON.stringify(request),
    events: events.map(({ type, data }) => ({ type, dataJson: JSON.stringify(data) })),
  }
}

/** Entries as they come over the wire. */
export function entriesOf(answer: Fields): readonly LogEntryView[] {
  const entries = answer['entries'] as readonly (Omit<LogEntryView, 'request' | 'events'> & {
    readonly requestJson: string
    readonly events: readonly { readonly type: string; readonly dataJson: string }[]
  })[]
  return entries.map(({ requestJson, events, ...entry }) => ({
    ...entry,
    request: JSON.parse(requestJson) as Fields,
    events: events.map(({ type, dataJson }): EventView => ({ type, data: JSON.parse(dataJson) as Fields })),
  }))
}

/** What changed, as it goes over the wire. */
export function diffFields({ from, to, changes, truncated }: DiffReply): Fields {
  const fields = changes.map(({ kind, uid, before, after }) => {
    return { kind, uid, beforeJson: jsonOrNull(before), afterJson: jsonOrNull(after) }
  })
  return { from, to, changes: fields, truncated }
}

/** What changed, as it comes over the wire. */
export function diffOf(answer: Fields): DiffReply {
  const { changes, ...rest } = answer as unknown as Omit<DiffReply, 'changes'> & {
    changes: readonly { kind: string; uid: string; beforeJson: string | null; afterJson: string | null }[]
  }
  return {
    ...rest,
    changes: changes.map(({ kind, uid, beforeJson, afterJson }) => ({
      kind,
      uid,
      before: rowOrNull(beforeJson),
      after: rowOrNull(afterJson),
    })),
  }
}

function jsonOrNull(value: unknown): string | null {
  return value === null ? null : JSON.stringify(value)
}

function rowOrNull(json: string | null): Fields | null {
  return json === null ? null : (JSON.parse(json) as Fields)
}
