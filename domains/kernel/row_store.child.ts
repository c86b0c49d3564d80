import { Engine } from './engine.ts'
import { decodeRecord, encodeRecord, type LogRecord } from './record.ts'
import { Registry } from './registry.ts'
import { RowStore } from './row_store.ts'
import libraryDomain, { library } from './sample/index.ts'

/** An engine for the rows of these tests. */
export function newEngine(): Engine {
  return new Engine(new Registry([libraryDomain]))
}

/** The record at a revision, a function of the state before it alone: shelves are made, changed, deleted and made again. */
export function recordAt(engine: Engine, revision: number, padding: number): LogRecord {
  const uid = `shelf ${(revision * 7919) % 61}`
  const there = engine.state.resource(library, 'shelf').get(uid)
  const data =
    there === undefined
      ? { uid, name: uid.replace(' ', '-'), labels: { padding: 'x'.repeat(padding) }, capacity: revision }
      : { uid, ...(revision % 3 === 0 ? {} : { capacity: revision }) }
  const type =
    there === undefined
      ? 'library.ShelfCreated'
      : revision % 3 === 0
        ? 'library.ShelfDeleted'
        : 'library.ShelfResized'
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
    events: [{ type, version: 1, data }],
  }
}

/**
 * `node row_store.child.ts DIRECTORY PADDING`: goes on from the rows in a directory as fast as it can, until it is killed or a write
 * fails. Prints, now and then, a revision that is on disk, and what the store says of a failure.
 */
async function main(directory: string, padding: number): Promise<void> {
  const engine = newEngine()
  const failures: Error[] = []
  const { store, applied } = await RowStore.open(directory, engine.state, (error) => {
    failures.push(error)
    console.log(`failed: ${error.message}`)
  })
  let flushing = false
  for (let revision = applied.revision + 1; failures.length === 0; revision++) {
    const payload = encodeRecord(recordAt(engine, revision, padding))
    engine.apply(decodeRecord(payload), revision)
    store.write(engine.state.journal.take(), { revision, time: revision }, payload)
    if (revision % 200 !== 0) continue
    if (!flushing) {
      flushing = true
      const said = () => {
        flushing = false
        if (failures.length === 0) console.log(revision)
      }
      store.flush().then(said, said)
    }
    await new Promise((resolve) => setTimeout(resolve, 1))
  }
  const closed = await store.close().then(
    () => 'well',
    (error: Error) => error.message,
  )
  const again = await RowStore.open(directory, newEngine().state, () => undefined)
  console.log(`closed: ${closed}; failures: ${failures.length}; opened again at ${again.applied.revision}`)
  await again.store.close()
}

const [, , directory, padding] = process.argv
if (import.meta.main && directory !== undefined) await main(directory, Number(padding))
