import type { MessagePort } from 'node:worker_threads'
import { originOf } from '../../domains/kernel/origin.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Rejection, reject } from '../../domains/kernel/rejection.ts'
import { feedBatch } from './changes.ts'
import type { EventProjection } from './event_projection.ts'
import { type PackedEntries, type UnpackedEntry, unpackEntries } from './packed_entries.ts'
import { diff, entries, why } from './past.ts'
import { readRecord } from './projected_record.ts'
import type { Projection } from './projection.ts'
import type { Calls, FromWorker, Progress, ToWorker } from './protocol.ts'
import { read } from './reads.ts'
import { scrub } from './scrub.ts'
import { type AppliedEntry, isSqliteError, ProjectionStore } from './store.ts'

/** Result codes: https://www.sqlite.org/rescode.html */
const SQLITE_CORRUPT = 11
const SQLITE_NOTADB = 26

/** Under way: each has the file open, and ends before that is closed, or SQLite could not tidy up. */
const scrubs = new Set<Generator<void, readonly string[]>>()

type Answers = {
  readonly [M in keyof Calls]: (
    store: ProjectionStore,
    ask: Calls[M]['ask'],
  ) => Calls[M]['answer'] | Promise<Calls[M]['answer']>
}

const answers: Answers = {
  read,
  entries: (store, { from, limit, command }) => entries(store, from, limit, command),
  why: (store, { kind, project, name }) => why(store, kind, project, name),
  diff: (store, { kinds, from, to, now }) => diff(store, kinds, from, to, now),
  feed: feedBatch,
  digests: (store) => ({ checkpoint: store.checkpoint, digests: store.digests, layout: store.layout }),
  events: (store, { projection, query, ask }) => {
    const why = store.quarantined.get(projection)
    if (why !== undefined) reject('UNAVAILABLE', `projection ${projection} is quarantined: ${why}`)
    const found = store.eventProjections.get(projection)
    return found === undefined
      ? reject('NOT_FOUND', `there is no projection ${projection}`)
      : found.answer(query, ask)
  },
  scrub: async (store) => {
    const steps = scrub(store)
    scrubs.add(steps)
    try {
      for (let step = steps.next(); ; step = steps.next()) {
        if (step.done === true) return step.value
        await new Promise((resolve) => setImmediate(resolve))
      }
    } finally {
      scrubs.delete(steps)
    }
  },
}

/** Serves one file of projections over a port: batches of entries in, answers to queries out. Runs until it is told to close. */
export function serveProjections(
  port: MessagePort,
  path: string,
  registry: Registry,
  projections: readonly Projection[],
  eventProjections: readonly EventProjection[] = [],
): void {
  const send = (message: FromWorker): void => port.postMessage(message)
  let store: ProjectionStore
  try {
    store = new ProjectionStore(path, registry, projections, eventProjections)
  } catch (error) {
    send({ type: 'unusable', why: text(error) })
    port.close()
    return
  }
  const writer = new Writer(store)
  const attempt = (step: () => void): void => {
    try {
      step()
    } catch (error) {
      send({ type: 'failed', why: text(error), damaged: isDamage(error) })
    }
  }
  port.on('message', (message: ToWorker) => {
    switch (message.type) {
      case 'apply':
        attempt(() => {
          send(writer.apply(message.entries))
          if (writer.endLoad()) send({ type: 'loaded' })
        })
        break
      case 'call':
        void answer(store, message.method, message.id, message.ask).then(send)
        break
      case 'load':
        attempt(() => {
          writer.load(message.goal, message.isFresh)
          if (writer.endLoad()) send({ type: 'loaded' })
        })
        break
      case 'close':
        for (const steps of scrubs) steps.return([])
        store.close()
        send({ type: 'closed' })
        port.close()
        break
    }
  })
  send({ type: 'opened', origin: store.origin, progress: writer.progress })
}

/** Applies batches, and says what has changed. */
class Writer {
  readonly #store: ProjectionStore
  #changed: number[]
  #quarantined: number
  /** Where a load ends; undefined when there is none. */
  #goal: number | undefined
  #isFresh = false

  constructor(store: ProjectionStore) {
    this.#store = store
    this.#changed = [...store.sets].map(({ changed }) => changed)
    this.#quarantined = store.quarantined.size
  }

  get progress(): Progress {
    return {
      checkpoint: this.#store.checkpoint,
      changed: Object.fromEntries([...this.#store.sets].map((set) => [set.name, set.changed])),
      quarantined: Object.fromEntries(this.#store.quarantined),
    }
  }

  load(goal: number, isFresh: boolean): void {
    this.#goal = goal
    this.#isFresh = isFresh
    if (isFresh) this.#store.beginLoad()
  }

  apply(packed: PackedEntries): FromWorker {
    const store = this.#store
    const entries = unpackEntries(packed)
    const last = entries.findLast(({ payload }) => payload !== null)
    store.apply(
      recordsOf(entries),
      last === undefined || last.payload === null ? store.origin : originOf(last.revision, last.payload),
    )
    const sets = [...store.sets]
    const changed = sets.filter((set, i) => set.changed !== this.#changed[i]).map(({ name }) => name)
    this.#changed = sets.map((set) => set.changed)
    const isQuarantined = store.quarantined.size !== this.#quarantined
    this.#quarantined = store.quarantined.size
    return {
      type: 'applied',
      checkpoint: store.checkpoint,
      changed,
      quarantined: isQuarantined ? Object.fromEntries(store.quarantined) : undefined,
    }
  }

  /** Whether a load has come to its end with what was applied last. */
  endLoad(): boolean {
    if (this.#goal === undefined || this.#store.checkpoint.revision < this.#goal) return false
    if (this.#isFresh) this.#store.endLoad()
    else this.#store.createIndexes()
    this.#goal = undefined
    return true
  }
}

/** One by one: what is read of an entry is garbage before the next, and never outlives a collection. */
function* recordsOf(entries: readonly UnpackedEntry[]): Generator<AppliedEntry> {
  for (const { revision, payload } of entries)
    yield { revision, record: payload === null ? null : readRecord(payload) }
}

/** Whether other rows might help: SQLite finds the file corrupt, or its rows do not fit the log. A full disk is no damage. */
function isDamage(error: unknown): boolean {
  return (
    !isSqliteError(error) || error.errcode % 256 === SQLITE_CORRUPT || error.errcode % 256 === SQLITE_NOTADB
  )
}

async function answer(
  store: ProjectionStore,
  method: keyof Calls,
  id: number,
  ask: object,
): Promise<FromWorker> {
  try {
    if (store.isLoading) reject('UNAVAILABLE', 'the rows are being made from the log: try again later')
    return {
      type: 'answer',
      id,
      answer: await (answers[method] as (store: ProjectionStore, ask: object) => unknown)(store, ask),
    }
  } catch (error) {
    if (error instanceof Rejection)
      return { type: 'refusal', id, code: error.code, message: error.message, details: error.details }
    return { type: 'refusal', id, code: 'INTERNAL', message: text(error), details: {} }
  }
}

function text(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
