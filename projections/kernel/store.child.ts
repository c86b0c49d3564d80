import type { LogRecord } from '../../domains/kernel/record.ts'
import { Registry } from '../../domains/kernel/registry.ts'
import libraryDomain from '../../domains/kernel/sample/index.ts'
import { shelfPages } from './sample/shelf_pages.ts'
import { ProjectionStore } from './store.ts'

/** Entries of one event or more, with a time that is their revision. */
export function recordOf(
  revision: number,
  events: readonly { readonly type: string; readonly data: object }[],
): LogRecord {
  return {
    kind: 'decision',
    time: revision,
    command: 'library.Any',
    request: {},
    commandId: '',
    actor: 'anna',
    actorKind: 'user',
    cause: '',
    result: {},
    events: events.map(({ type, data }) => ({
      type: `library.${type}`,
      version: 1,
      data: data as Readonly<Record<string, unknown>>,
    })),
  }
}

/** The record at a revision: every hundredth shelf is deleted again, ten revisions later. */
export function recordAt(revision: number): LogRecord {
  const doomed = revision - 10
  if (revision % 100 === 10 && doomed > 0)
    return recordOf(revision, [{ type: 'ShelfDeleted', data: { uid: `shelf ${doomed}` } }])
  const data = { uid: `shelf ${revision}`, name: `s${revision}`, labels: {}, capacity: revision }
  return recordOf(revision, [{ type: 'ShelfCreated', data }])
}

export function openStore(path: string): ProjectionStore {
  return new ProjectionStore(path, new Registry([libraryDomain]), [shelfPages])
}

/** What a killed process can do meanwhile on a busy machine is bounded. */
const ENTRIES_MAX = 5000

/** `node store.child.ts FILE`: goes on from the checkpoint of a file as fast as it can, then waits to be killed. Prints each checkpoint. */
function main(path: string): void {
  const store = openStore(path)
  const end = store.checkpoint.revision + ENTRIES_MAX
  for (let next = store.checkpoint.revision + 1; next < end; next = store.checkpoint.revision + 1) {
    store.apply(Array.from({ length: 50 }, (_, i) => ({ revision: next + i, record: recordAt(next + i) })))
    process.stdout.write(`${store.checkpoint.revision}\n`)
  }
  setInterval(() => undefined, 1000)
}

const [, , path] = process.argv
if (import.meta.main && path !== undefined) main(path)
