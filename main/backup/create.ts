import type { Platform } from '../../domains/kernel/platform.ts'
import type { BackupChunk } from '../../edges/control_plane.ts'
import type { Entry, Log } from '../../log/log.ts'
import type { ProjectedReads } from '../../projections/kernel/opening_runner.ts'
import { writeBackup } from './write.ts'

const READ_BYTES = 1 << 20
/** What is sent at once. */
const CHUNK_BYTES = 128 << 10
const PROJECTED_TIMEOUT_MS = 30_000

export interface BackupSources {
  readonly log: Log
  readonly platform: Platform
  readonly runner: ProjectedReads
}

/**
 * A backup while commands go on: the digests of one revision, and the entries until there. `committed`: of everything committed before the
 * call; throws Rejection NOT_LEADER on a follower. `applied`: of what this member has, which may lack the newest.
 * Ends early, without an end in the file, once the signal aborts.
 */
export async function* createBackup(
  { log, platform, runner }: BackupSources,
  signal: AbortSignal,
  upTo: 'committed' | 'applied' = 'committed',
): AsyncGenerator<BackupChunk> {
  const goal = upTo === 'committed' ? await platform.barrier() : platform.applied.revision
  await runner.whenProjected(goal, PROJECTED_TIMEOUT_MS)
  const { checkpoint, digests, layout } = await runner.call('digests', {})
  const { revision: of, history } = checkpoint
  const head = {
    format: 1,
    clusterId: log.status().clusterId,
    history,
    revision: of,
    createdAt: Date.now(),
  } as const
  let revision = 0
  async function* batches(): AsyncGenerator<readonly Entry[]> {
    while (revision < of && !signal.aborted) {
      const entries = await log.read(revision + 1, of, READ_BYTES)
      const last = entries.at(-1)
      if (last === undefined) throw new RangeError(`entry ${revision + 1} of ${of} can not be read`)
      yield entries
      revision = last.index
    }
  }
  const end = { entries: of, layout, digests: [...digests] }
  for await (const bytes of writeBackup(head, batches(), end)) {
    for (let at = 0; at < bytes.length && !signal.aborted; at += CHUNK_BYTES)
      yield { data: bytes.subarray(at, at + CHUNK_BYTES), revision, of }
    if (signal.aborted) return
  }
}
