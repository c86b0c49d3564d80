import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { z } from 'zod'
import type { MemberId, Origin, Standing } from '../raft/types.ts'
import type { Disk } from './disk.ts'
import { restoreAdvice, StorageError } from './errors.ts'
import { fileDisk } from './file-disk.ts'
import { readWhole, writeFileDurably } from './files.ts'

/** Whose data a directory holds. */
export interface Identity {
  readonly clusterId: string
  readonly memberId: MemberId
}

/** What a directory was formatted as; never changed afterwards. Written last when a directory is formatted. */
export interface StoredIdentity extends Identity {
  readonly blockEntries: number
  /** Until the member has become a voter, which is in the write-ahead files. */
  readonly standing: Exclude<Standing, 'voter'>
  readonly origin: Origin
}

const unsigned = z.int().min(0)

const identitySchema = z.strictObject({
  format: z.literal(3),
  clusterId: z.string().min(1).max(256),
  memberId: z.int().min(1),
  blockEntries: z.int().min(1).max(65_536),
  standing: z.enum(['founding', 'recovering']),
  origin: z.strictObject({ index: unsigned, term: unsigned, checksum: unsigned }),
  /** CRC-32 of the file without this line, so that no flipped digit passes. */
  checksum: unsigned,
})

/** Two files, so that one may be damaged: without an identity nothing else of a directory can be used. */
export const identityNames = ['identity.json', 'identity.copy.json'] as const

/**
 * The identity of a directory, and what was repaired to have it: a damaged file is written anew from the other one.
 * Undefined when the directory was never formatted. Throws IDENTITY_DAMAGED when neither file can be used.
 */
export async function readIdentity(
  disk: Disk,
  directory: string,
): Promise<{ readonly identity: StoredIdentity; readonly repairs: readonly string[] } | undefined> {
  const files = await Promise.all(identityNames.map((name) => readOne(disk, join(directory, name))))
  if (files.every((file) => file === 'missing')) return undefined
  const identity = files.find((file) => typeof file === 'object')
  if (identity === undefined) {
    throw new StorageError(
      'IDENTITY_DAMAGED',
      `neither ${join(directory, identityNames[0])} nor its copy is a valid identity file. ${restoreAdvice}`,
    )
  }
  const text = textOf(identity)
  const repairs: string[] = []
  for (const [position, name] of identityNames.entries()) {
    const file = files[position]
    if (typeof file === 'object' && textOf(file) === text) continue
    const path = join(directory, name)
    await writeFileDurably(path, text, disk)
    repairs.push(`${path} was damaged, and is written anew from its copy`)
  }
  return { identity, repairs }
}

export async function writeIdentity(
  directory: string,
  identity: StoredIdentity,
  disk: Disk = fileDisk,
): Promise<void> {
  for (const name of identityNames.toReversed())
    await writeFileDurably(join(directory, name), textOf(identity), disk)
}

/** Throws IDENTITY_MISMATCH when the directory belongs to someone else. */
export function checkIdentity(directory: string, stored: Identity, wanted: Identity): void {
  if (stored.clusterId === wanted.clusterId && stored.memberId === wanted.memberId) return
  throw new StorageError(
    'IDENTITY_MISMATCH',
    `${directory} belongs to member ${stored.memberId} of cluster ${stored.clusterId}, ` +
      `not to member ${wanted.memberId} of cluster ${wanted.clusterId}`,
  )
}

function textOf({ clusterId, memberId, blockEntries, standing, origin }: StoredIdentity): string {
  const content = { format: 3, clusterId, memberId, blockEntries, standing, origin }
  const checksum = crc32(JSON.stringify(content))
  return `${JSON.stringify({ ...content, checksum }, null, 2)}\n`
}

async function readOne(disk: Disk, path: string): Promise<StoredIdentity | 'missing' | 'damaged'> {
  const text = (await readWhole(disk, path))?.toString('utf8')
  if (text === undefined) return 'missing'
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    return 'damaged'
  }
  const parsed = identitySchema.safeParse(content)
  return parsed.success && textOf(parsed.data) === text ? parsed.data : 'damaged'
}
