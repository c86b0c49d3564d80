import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Rejection } from '../domains/kernel/rejection.ts'
import { formatDirectory, isFormatted } from '../log/storage/format.ts'
import type { Identity } from '../log/storage/identity.ts'
import { lockDirectory } from '../log/storage/lock.ts'
import { ConfigError, type NodeConfig } from './config.ts'

/** What is made from the log, and thrown away with it. */
const madeFromTheLog = ['rows', 'projections'] as const

/** Where the log of a data directory is. */
export function logDirectory(directory: string): string {
  return join(directory, 'chainfire')
}

/**
 * Makes a blank data directory that of a member of a new cluster. It has a vote once every member was formatted and all have
 * met. Throws Rejection or StorageError when the directory was in use.
 */
export async function formatMember(directory: string, config: NodeConfig): Promise<void> {
  const identity = identityOf(config)
  const used = await inUse(directory, ['chainfire', ...madeFromTheLog])
  if (used !== undefined)
    throw new Rejection(
      'FAILED_PRECONDITION',
      `${join(directory, used)} is there: this member was in use. If its log is lost, let it recover (ultracloud member recover)`,
    )
  await formatDirectory(logDirectory(directory), identity, { standing: 'founding' })
}

/**
 * Makes a data directory that of a member that lost its log: it takes everything from the others, and has a vote again when it can
 * contradict nothing it promised before. What is left of its log is moved aside; the new name is returned. Throws ConfigError
 * for a single member, StorageError when it runs.
 */
export async function recoverMember(directory: string, config: NodeConfig): Promise<string | undefined> {
  const identity = identityOf(config)
  const log = logDirectory(directory)
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const aside = `${log}.lost-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
  const isThere = (await readdir(directory)).includes('chainfire')
  if (isThere) {
    const unlock = await lockDirectory(log)
    await rename(log, aside).finally(unlock)
  }
  for (const name of madeFromTheLog) await rm(join(directory, name), { recursive: true, force: true })
  await formatDirectory(log, identity, { standing: 'recovering' })
  return isThere ? aside : undefined
}

/** Throws Rejection for a directory whose log is gone although it was in use: it would start as an empty cloud. */
export async function refuseLostLog(directory: string): Promise<void> {
  const used = await inUse(directory, madeFromTheLog)
  if (used === undefined || (await isFormatted(logDirectory(directory)))) return
  throw new Rejection(
    'FAILED_PRECONDITION',
    `${join(directory, used)} is there, and the log in ${logDirectory(directory)} is not. Restore it from a copy of the disk, or restore a backup ` +
      'into a new directory (ultracloud backup restore). To begin with an empty cloud instead, give another directory',
  )
}

async function inUse(directory: string, names: readonly string[]): Promise<string | undefined> {
  const there: readonly string[] = await readdir(directory).catch(() => [])
  return names.find((name) => there.includes(name))
}

function identityOf({ cluster }: NodeConfig): Identity {
  if (cluster === undefined || cluster.members.length === 1)
    throw new ConfigError(
      'this is for the members of a cluster of several: a single one is formatted at its first start, and has nobody to recover from (restore a backup)',
    )
  return { clusterId: cluster.id, memberId: cluster.member }
}
