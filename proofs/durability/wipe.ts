import { rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import type { Registry } from '../../domains/kernel/registry.ts'
import type { ClusterStatus } from '../../edges/control_plane.ts'
import type { Replayed } from '../../main/backup/replay.ts'
import { replayBackup } from '../../main/backup/replay.ts'
import { restoreBackup } from '../../main/backup/restore.ts'
import { readConfig } from '../../main/config.ts'
import { lostOrDoubled } from '../failover/checks.ts'
import type { ProcessCluster } from '../failover/cluster.ts'
import type { MemberProcess } from '../failover/member_process.ts'
import { type Acknowledgement, PROJECT, ZONE } from '../failover/operations.ts'
import { backUpAndReplay, compareWithLog, requireSame, rowsAt } from './backups.ts'

export interface RestoreFigures {
  readonly backup_bytes: number
  /** To make it and to replay it. */
  readonly backup_ms: number
  readonly restore_ms: number
  readonly restored_start_ms: number
  readonly rows_compared: number
  readonly entries_on_disk: number
}

export interface Cloud {
  /** Of one member. */
  readonly cluster: ProcessCluster
  readonly registry: Registry
  /** Where the backup goes. */
  readonly backup: string
  readonly say: (line: string) => void
}

/**
 * Backs the cloud up, ends it, removes its data, restores it and starts it: digests at the backup's revision and all rows must be what they
 * were, and every command that was acknowledged must be known. Throws Error where that is not so.
 */
export async function wipeAndRestore(
  { cluster, registry, backup, say }: Cloud,
  acknowledged: readonly Acknowledgement[],
): Promise<{ readonly replayed: Replayed; readonly figures: RestoreFigures }> {
  const member = cluster.members[0] as MemberProcess
  const client = cluster.clientOf(member)
  const backingUp = performance.now()
  const { replayed, bytes } = await backUpAndReplay(client, backup, registry)
  const backupMilliseconds = performance.now() - backingUp
  const { revision, digests, history } = replayed
  const rows = await rowsAt(client, registry, revision)
  await member.stop()
  const entries = await compareWithLog(backup, join(member.directory, 'chainfire'))
  await rm(member.directory, { recursive: true })
  say(`backed up ${revision} entries in ${bytes} bytes, and wiped`)

  const config = await readConfig(member.config)
  const restoring = performance.now()
  const restored = await restoreBackup(backup, {
    registry,
    directory: member.directory,
    to: undefined,
    config,
    beginning: undefined,
  })
  const restoreMilliseconds = performance.now() - restoring
  requireSame('the digests of the restored and of the wiped cloud', restored.digests, digests)
  const starting = performance.now()
  await member.start()
  const startMilliseconds = performance.now() - starting

  requireSame(
    'the rows of the restored and of the wiped cloud',
    await rowsAt(client, registry, revision),
    rows,
  )
  const status = (await client.call('ClusterService/Status', {})) as unknown as ClusterStatus
  requireSame('the history in force and the restored one', status.history, restored.newHistory)
  if (status.history === history) throw new Error('a restored cloud goes on in the old history')
  const later = await client.command({
    type: 'dns.PutRecordSet',
    data: { project: PROJECT, zone: ZONE, name: 'after', type: 'TXT', values: ['"restored"'] },
  })
  if (later.revision <= restored.newRevision)
    throw new Error(`a command after the restore is at revision ${later.revision}`)
  const problems = await lostOrDoubled(cluster, acknowledged, later.revision)
  if (problems.length > 0) throw new Error(problems.slice(0, 20).join('\n'))
  const again = `${backup}.again`
  await backUpAndReplay(client, again, registry)
  const then = await replayBackup(again, { registry, to: String(revision) })
  requireSame('the digests of the restored cloud at that revision', then.digests, digests)
  await rm(again)
  say(
    `restored in ${restoreMilliseconds.toFixed(0)} ms: at revision ${revision} it has the digests and the rows that it had, and every acknowledged command is known`,
  )
  const figures: RestoreFigures = {
    backup_bytes: (await stat(backup)).size,
    backup_ms: Math.round(backupMilliseconds),
    restore_ms: Math.round(restoreMilliseconds),
    restored_start_ms: Math.round(startMilliseconds),
    rows_compared: [...rows.values()].reduce((sum, { length }) => sum + length, 0),
    entries_on_disk: entries,
  }
  return { replayed, figures }
}
