import { hash } from 'node:crypto'
import { cp, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { LogError } from '../../log/log.ts'
import { Member, type Opening, type Shown } from './member.ts'
import { lookAtProjections } from './projection_file.ts'
import { lookAtLog } from './stored_log.ts'

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

/**
 * Who is asked about a directory with a flipped byte: a whole member; a member without its projections, for files that these are not made
 * of; or the file of projections, or the stored log, alone. The first takes fifty times as long as the last.
 */
export type Asked = 'member' | 'log' | 'projections' | 'store'

/** A directory as it was made, and what is shown of it. */
export interface Original extends Opening {
  readonly shown: Readonly<Record<Asked, Shown>>
  /**
   * What a whole member makes of projections that show something else than they did, by what that is. A write-ahead log that is cut
   * short leaves older rows, and the member catches up.
   */
  readonly others: Map<string, Verdict>
}

/**
 * Flips one byte in a copy of a directory, starts the member on it, and compares what it shows with what was shown before. `again`: on the
 * copy as a process left it that did not come to its end.
 */
export async function tryFlip(
  original: Original,
  copy: string,
  flip: Flip,
  asked: Asked,
  again: boolean,
): Promise<Flipped> {
  if (!again) await copyFlipped(original, copy, flip, asked)
  if (asked === 'store') return { ...flip, ...(await lookAtStored(original, copy)) }
  if (asked !== 'projections') return { ...flip, ...(await ask(original, copy, asked)) }
  const looked = await lookAt(original, copy)
  if (!('other' in looked)) return { ...flip, ...looked }
  const known = original.others.get(looked.other)
  if (known !== undefined) return { ...flip, ...known }
  await copyFlipped(original, copy, flip, 'member')
  const verdict = await ask(original, copy, 'member')
  original.others.set(looked.other, verdict)
  return { ...flip, ...verdict }
}

async function copyFlipped(
  { directory }: Original,
  copy: string,
  { path, offset, mask }: Flip,
  asked: Asked,
): Promise<void> {
  await rm(copy, { recursive: true, force: true })
  await cp(directory, copy, {
    recursive: true,
    filter: (source) => asked === 'member' || isOf(source.slice(directory.length + 1), asked),
  })
  const file = await open(join(copy, path), 'r+')
  const byte = Buffer.alloc(1)
  await file.read(byte, 0, 1, offset)
  byte[0] = (byte[0] ?? 0) ^ mask
  await file.write(byte, 0, 1, offset)
  await file.close()
}

type Verdict = Pick<Flipped, 'outcome' | 'text'>

async function ask(original: Original, copy: string, asked: Asked): Promise<Verdict> {
  const expected = original.shown[asked]
  let member: Member
  try {
    member = await Member.open({ ...original, directory: copy }, { projected: asked === 'member' })
  } catch (error) {
    return refusal(error)
  }
  try {
    const { parts } = await member.shown(original.registry, expected.lastIndex)
    return compared(expected, parts, member.repairs)
  } catch (error) {
    return refusal(error)
  } finally {
    await member.close()
  }
}

async function lookAt(
  { registry, shown }: Original,
  copy: string,
): Promise<Verdict | { readonly other: string }> {
  try {
    const looked = await lookAtProjections(copy, registry)
    if ('damage' in looked) return { outcome: 'repaired', text: looked.damage }
    const verdict = compared(shown.projections, looked.parts, [])
    return verdict.outcome === undefined ? { other: hash('sha256', JSON.stringify(looked.parts)) } : verdict
  } catch (error) {
    return refusal(error)
  }
}

async function lookAtStored({ shown }: Original, copy: string): Promise<Verdict> {
  try {
    const { parts, repairs } = await lookAtLog(copy)
    return compared(shown.store, parts, repairs)
  } catch (error) {
    return refusal(error)
  }
}

function compared(
  { parts: expected }: Shown,
  parts: Readonly<Record<string, string>>,
  repairs: readonly string[],
): Verdict {
  const differing = Object.keys(expected).filter((part) => parts[part] !== expected[part])
  if (differing.length > 0) return { outcome: undefined, text: `differs in ${differing.join(', ')}` }
  return { outcome: repairs.length > 0 ? 'repaired' : 'harmless', text: repairs.join('; ') }
}

/** Whether a path is one that those who are asked read. */
function isOf(path: string, asked: Exclude<Asked, 'member'>): boolean {
  if (path === '') return true
  return asked === 'store'
    ? path.startsWith('chainfire')
    : path.startsWith('projections') === (asked === 'projections')
}

/** A refusal has a stable code, or names the damage, and says what can be done. */
function refusal(error: unknown): Verdict {
  const text = error instanceof Error ? error.message : String(error)
  const isCoded =
    error instanceof LogError || error instanceof Rejection || /\bSTORAGE\b|DAMAGED|VANISHED/.test(text)
  const hasWayOut = /ultracloud (member recover|backup restore)|Restore/.test(text)
  return { outcome: isCoded && hasWayOut ? 'refused' : undefined, text }
}
