import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import type { MemberId } from '../raft/types.ts'
import { StorageError } from './errors.ts'
import { writeFileDurably } from './files.ts'

/** Whose data a directory holds. Written last when a directory is formatted. */
export interface Identity {
  readonly clusterId: string
  readonly memberId: MemberId
}

export interface StoredIdentity extends Identity {
  readonly blockEntries: number
}

const identitySchema = z.strictObject({
  format: z.literal(1),
  clusterId: z.string().min(1).max(256),
  memberId: z.int().min(1),
  blockEntries: z.int().min(1).max(65_536),
})

function identityPath(directory: string): string {
  return join(directory, 'identity.json')
}

/** Undefined when the directory was never formatted. Throws IDENTITY_DAMAGED when the file cannot be read. */
export async function readIdentity(directory: string): Promise<StoredIdentity | undefined> {
  let text: string
  try {
    text = await readFile(identityPath(directory), 'utf8')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined
    throw error
  }
  let content: unknown
  try {
    content = JSON.parse(text)
  } catch {
    content = undefined
  }
  const parsed = identitySchema.safeParse(content)
  if (!parsed.success) {
    throw new StorageError('IDENTITY_DAMAGED', `${identityPath(directory)} is not a valid identity file`)
  }
  const { clusterId, memberId, blockEntries } = parsed.data
  return { clusterId, memberId, blockEntries }
}

export async function writeIdentity(directory: string, identity: StoredIdentity): Promise<void> {
  const content = { format: 1, ...identity }
  await writeFileDurably(identityPath(directory), `${JSON.stringify(content, null, 2)}\n`)
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
