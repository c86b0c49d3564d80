import { cp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { LogError } from '../../log/log.ts'
import { Member, type Shown } from './member.ts'

export interface Flip {
  /** In the data directory. */
  readonly path: string
  readonly offset: number
  /** What the byte is xored with; not 0. */
  readonly mask: number
}

export type Outcome = 'harmless' | 'repaired' | 'refused'

export interface Flipped extends Flip {
  /** Undefined when the member was silently wrong, or did not come to an end. */
  readonly outcome: Outcome | undefined
  /** What was said, or what differs. */
  readonly text: string
}

/** Flips one byte in a copy of a directory, starts the member on it, and compares what it shows with what was shown before. */
export async function tryFlip(
  of: string,
  copy: string,
  flip: Flip,
  registry: Registry,
  expected: Shown,
): Promise<Flipped> {
  await rm(copy, { recursive: true, force: true })
  await cp(of, copy, { recursive: true })
  await flipByte(join(copy, flip.path), flip)
  let member: Member
  try {
    member = await Member.open(copy, registry)
  } catch (error) {
    return { ...flip, ...refusal(error) }
  }
  try {
    const { parts } = await member.shown(registry, expected.lastIndex)
    const differing = Object.keys(expected.parts).filter((part) => parts[part] !== expected.parts[part])
    if (differing.length > 0)
      return { ...flip, outcome: undefined, text: `differs in ${differing.join(', ')}` }
    const { repairs } = member
    return { ...flip, outcome: repairs.length > 0 ? 'repaired' : 'harmless', text: repairs.join('; ') }
  } catch (error) {
    return { ...flip, ...refusal(error) }
  } finally {
    await member.close()
  }
}

/** A refusal has a stable code, or names the damage, and says what can be done. */
function refusal(error: unknown): Pick<Flipped, 'outcome' | 'text'> {
  const text = error instanceof Error ? error.message : String(error)
  const isCoded =
    error instanceof LogError || error instanceof Rejection || /\bSTORAGE\b|DAMAGED|VANISHED/.test(text)
  const hasWayOut = /ultracloud (member recover|backup restore)|Restore/.test(text)
  return { outcome: isCoded && hasWayOut ? 'refused' : undefined, text }
}

async function flipByte(path: string, { offset, mask }: Flip): Promise<void> {
  const file = await open(path, 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, offset)
  byte[0] = (byte[0] ?? 0) ^ mask
  await file.write(byte, 0, 1, offset)
  await file.close()
}
