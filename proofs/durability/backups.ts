import { isDeepStrictEqual } from 'node:util'
import type { Registry } from '../../domains/kernel/registry.ts'
import type { BackupChunk, ReadReply } from '../../edges/control_plane.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'
import { readLog } from '../../log/storage/offline.ts'
import { saveBackup } from '../../main/backup/download.ts'
import { readBackup } from '../../main/backup/read.ts'
import { type Replayed, replayBackup } from '../../main/backup/replay.ts'

const PAGE_ROWS = 1000

/** Backs a running cloud up into a file, replacing it, and replays that. Throws Error where the digests of the cloud are not those of the replay. */
export async function backUpAndReplay(
  client: ApiClient,
  path: string,
  registry: Registry,
): Promise<{ readonly replayed: Replayed; readonly bytes: number }> {
  const signal = new AbortController().signal
  const chunks = client.stream('ClusterService/Backup', {}, signal) as unknown as AsyncIterable<BackupChunk>
  const { bytes } = await saveBackup(path, chunks, { force: true, signal })
  const replayed = await replayBackup(path, { registry, to: undefined })
  requireSame('the digests of the replay and of the running cloud', replayed.digests, replayed.end.digests)
  return { replayed, bytes }
}

/** Throws Error unless the log in a directory that no process has open begins with the entries of a backup. Returns how many it has. */
export async function compareWithLog(path: string, logDirectory: string): Promise<number> {
  const stored = (await Array.fromAsync(readLog(logDirectory))).flat()
  for await (const part of readBackup(path)) {
    if (part.type !== 'entries') continue
    for (const { index, term, kind, payload } of part.entries) {
      const found = stored[index - 1]
      const same =
        found?.index === index &&
        found.term === term &&
        found.kind === kind &&
        Buffer.compare(found.payload, payload) === 0
      if (!same) throw new Error(`entry ${index} is another one on disk than in the backup`)
    }
  }
  return stored.length
}

/** Every row of every kind as of a revision. */
export async function rowsAt(
  client: ApiClient,
  registry: Registry,
  revision: number,
): Promise<ReadonlyMap<string, ReadReply['rows']>> {
  const found = new Map<string, ReadReply['rows']>()
  for (const kind of registry.kinds.keys()) {
    const rows: ReadReply['rows'][number][] = []
    let pageToken = ''
    do {
      const page = await client.read({ kind, at: String(revision), pageSize: PAGE_ROWS, pageToken })
      rows.push(...page.rows)
      pageToken = page.nextPageToken
    } while (pageToken !== '')
    found.set(kind, rows)
  }
  return found
}

/** Throws Error, naming them, when two things are not the same. */
export function requireSame(what: string, left: unknown, right: unknown): void {
  if (!isDeepStrictEqual(left, right))
    throw new Error(`${what} differ: ${shortened(left)} and ${shortened(right)}`)
}

function shortened(value: unknown): string {
  return JSON.stringify(value instanceof Map ? [...value] : value).slice(0, 2000)
}
