import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Entry, HardState } from '../raft/types.ts'
import { StorageError } from './errors.ts'
import { fileDisk } from './file-disk.ts'
import { syncDirectory, temporarySuffix } from './files.ts'
import { formatDirectory } from './format.ts'
import { type Identity, readIdentity, writeIdentity } from './identity.ts'
import { LogStore } from './store.ts'

const batchBytes = 1024 * 1024
const batchEntries = 1024

export interface StoredLog {
  readonly identity: Identity
  readonly hardState: HardState
  readonly lastIndex: number
  /** Sealed entries are committed for certain; whether the tail is, only a running cluster knows. */
  readonly sealedIndex: number
  readonly blockEntries: number
}

/**
 * Reads a data directory that no process has open: all entries in order, in batches of about 1 MiB.
 * The directory is verified as when a member opens it. Throws StorageError.
 */
export async function* readLog(directory: string): AsyncGenerator<readonly Entry[], StoredLog> {
  const stored = await readIdentity(fileDisk, directory)
  if (stored === undefined) throw new StorageError('IDENTITY_DAMAGED', `${directory} holds no log`)
  const identity = { clusterId: stored.identity.clusterId, memberId: stored.identity.memberId }
  const store = await LogStore.open(directory, identity, () => undefined)
  try {
    const { hardState, sealedIndex, blockEntries } = store
    const lastIndex = store.lastIndex()
    for (let next = 1; next <= lastIndex; ) {
      const entries = store.entries(next, lastIndex, batchBytes)
      yield entries
      next += entries.length
    }
    return { identity, hardState, lastIndex, sealedIndex, blockEntries }
  } finally {
    await store.close()
  }
}

/**
 * Makes a data directory that holds exactly these entries, which must be contiguous from 1; the full blocks are sealed.
 * All of them count as committed. The directory appears whole or not at all. Its member founds a cluster together with others that
 * hold the same entries. Throws StorageError, also when the directory is not blank.
 */
export async function writeLog(
  directory: string,
  identity: Identity,
  entries: Iterable<Entry> | AsyncIterable<Entry>,
  blockEntries?: number,
): Promise<StoredLog> {
  await mkdir(directory, { recursive: true, mode: 0o700 })
  if ((await readdir(directory)).length > 0) {
    throw new StorageError('MISUSE', `${directory} is not empty`)
  }
  const failure = Promise.withResolvers<never>()
  failure.promise.catch(() => undefined)
  const making = `${directory}${temporarySuffix}`
  await rm(making, { recursive: true, force: true })
  await formatDirectory(making, identity, {
    standing: 'founding',
    ...(blockEntries === undefined ? {} : { blockEntries }),
  })
  const store = await LogStore.open(making, identity, failure.reject)
  let stored: StoredLog | undefined
  try {
    for await (const batch of batches(entries)) {
      await Promise.race([failure.promise, appendBatch(store, batch)])
    }
    store.committed(store.lastIndex())
    await Promise.race([failure.promise, store.settled()])
    stored = {
      identity,
      hardState: store.hardState,
      lastIndex: store.lastIndex(),
      sealedIndex: store.sealedIndex,
      blockEntries: store.blockEntries,
    }
  } finally {
    await store.close()
    if (stored === undefined) await rm(making, { recursive: true, force: true })
  }
  const origin = { index: stored.lastIndex, term: stored.hardState.term, checksum: store.lastCrc }
  await writeIdentity(making, {
    ...identity,
    blockEntries: stored.blockEntries,
    standing: 'founding',
    origin,
  })
  await rename(making, directory)
  await syncDirectory(dirname(directory))
  return stored
}

async function* batches(entries: Iterable<Entry> | AsyncIterable<Entry>): AsyncGenerator<Entry[]> {
  let batch: Entry[] = []
  let bytes = 0
  for await (const entry of entries) {
    batch.push(entry)
    bytes += entry.payload.length
    if (batch.length < batchEntries && bytes < batchBytes) continue
    yield batch
    batch = []
    bytes = 0
  }
  if (batch.length > 0) yield batch
}

async function appendBatch(store: LogStore, entries: readonly Entry[]): Promise<void> {
  const term = entries.at(-1)?.term ?? 0
  const hardState = term > store.hardState.term ? { term, vote: 0 } : null
  await new Promise<void>((done) => {
    store.append({ hardState, truncateFrom: 0, entries }, done)
  })
  store.committed(store.lastIndex())
}
