import { cp, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadDomains } from '../../domains/load.ts'
import { Random } from '../sim/random.ts'
import { type FoundFile, filesOf, makeDirectory } from './directory.ts'
import type { Asked, Flip, Flipped, Original, Outcome } from './flip.ts'
import { FlipProcess } from './flip_process.ts'
import { Member, type Opening, type Shown } from './member.ts'
import { lookAtProjections } from './projection_file.ts'
import { lookAtLog } from './stored_log.ts'

/** Many commands where offsets are drawn; few where every byte is tried. */
const DRAWN = { commands: 1000, blockEntries: 128 }
const SWEPT = { commands: 20, blockEntries: 8 }
/** Processes, each with a copy at a time: they wait for disks and timers, too. */
const WORKERS = 3

export interface FlipFigures {
  readonly files: number
  readonly bytes: number
  readonly flips: number
  readonly outcomes: Readonly<Record<Outcome, number>>
  /** Where a member was silently wrong, or did not start and did not say why: none, when the proof holds. */
  readonly failures: readonly Flipped[]
  readonly by_kind: Readonly<Record<string, Readonly<Record<string, number>>>>
  /** Of all processes and threads. */
  readonly cpu_seconds: number
}

export interface FlipOptions {
  /** How many offsets are drawn, one in each kind of file at least; or every byte, and of SQLite's files, mostly empty pages, every so manieth. */
  readonly offsets: number | { readonly everySqliteByte: number }
  readonly seed: number
  readonly say: (line: string) => void
}

/** Flips bytes in every kind of file of a data directory, one at a time: each is harmless, repaired, or refused; never silently wrong. */
export async function proveFlips({ offsets, seed, say }: FlipOptions): Promise<FlipFigures> {
  const base = await mkdtemp(join(tmpdir(), 'ultracloud-flip-'))
  const workers = Array.from({ length: WORKERS }, () => new FlipProcess())
  try {
    const registry = await loadDomains()
    const size = typeof offsets === 'number' ? DRAWN : SWEPT
    const { closed, crashed, shown } = await makeDirectory(base, registry, size)
    const random = new Random(seed)
    const outcomes: Record<Outcome, number> = { harmless: 0, repaired: 0, refused: 0 }
    const byKind: Record<string, Record<string, number>> = {}
    const failures: Flipped[] = []
    let [files, bytes, flips] = [0, 0, 0]
    const count = (flipped: Flipped): void => {
      flips += 1
      const kind = kindOf(flipped.path)
      const result = flipped.outcome ?? 'failed'
      byKind[kind] = { ...byKind[kind], [result]: (byKind[kind]?.[result] ?? 0) + 1 }
      if (flipped.outcome === undefined) failures.push(flipped)
      else outcomes[flipped.outcome] += 1
      const { path, offset, mask, text } = flipped
      say(`${path} at ${offset} ^ ${mask}: ${result}${text === '' ? '' : `: ${text}`}`)
    }
    for (const directory of [closed, crashed]) {
      const opening = { directory, blockEntries: size.blockEntries }
      const original = {
        ...opening,
        shown: await shownOf({ ...opening, registry }, shown, join(base, 'copy')),
      }
      const found = await filesOf(directory)
      files += found.length
      for (const file of found) bytes += file.bytes
      const drawn = draw(found, offsets, random)
      const whole = new Set<string>()
      const work = async (worker: FlipProcess, copy: string): Promise<void> => {
        for (const flip of drawn) {
          const isFirst = !whole.has(kindOf(flip.path))
          whole.add(kindOf(flip.path))
          const asked = isFirst ? 'member' : askedOf(flip, offsets)
          count(await worker.try({ original, copy, flip, asked }))
        }
      }
      await Promise.all(workers.map((worker, number) => work(worker, join(base, `copy-${number}`))))
    }
    const { user, system } = process.cpuUsage()
    const cpu = workers.reduce((sum, worker) => sum + worker.cpu, user + system)
    return {
      files,
      bytes,
      flips,
      outcomes,
      failures,
      by_kind: byKind,
      cpu_seconds: Math.round(cpu / 1e5) / 10,
    }
  } finally {
    await Promise.all(workers.map((worker) => worker.close()))
    await rm(base, { recursive: true, force: true })
  }
}

/** What is shown of a sound copy by each who is asked. */
async function shownOf(opening: Opening, member: Shown, copy: string): Promise<Original['shown']> {
  await cp(opening.directory, copy, { recursive: true })
  const alone = await Member.open({ ...opening, directory: copy }, { projected: false })
  const log = await alone.shown(opening.registry, member.lastIndex)
  await alone.close()
  const looked = await lookAtProjections(copy, opening.registry)
  if ('damage' in looked) throw new Error(`projections that nobody has touched: ${looked.damage}`)
  await rm(copy, { recursive: true })
  await cp(opening.directory, copy, { recursive: true })
  const store = { lastIndex: member.lastIndex, parts: (await lookAtLog(copy)).parts }
  await rm(copy, { recursive: true })
  return { member, log, store, projections: { lastIndex: member.lastIndex, ...looked } }
}

/** Of each kind, the first is for a whole member: it shows that what is noticed is repaired, too. */
function askedOf({ path }: Flip, offsets: FlipOptions['offsets']): Asked {
  if (typeof offsets !== 'number' && path.startsWith('chainfire')) return 'store'
  if (!path.startsWith('projections')) return 'log'
  return isSqlite(path) ? 'projections' : 'member'
}

function isSqlite(path: string): boolean {
  return path.includes('.sqlite')
}

/** Of bytes that were never written every so many stands for the others, and a part of those drawn. */
const UNUSED_STEP = 512
const UNUSED_CHANCE = 0.2

/** One in each kind of file, then offsets drawn from all bytes, but from each kind as often: else one large file took all. */
function* draw(
  files: readonly FoundFile[],
  offsets: FlipOptions['offsets'],
  random: Random,
): Generator<Flip> {
  if (typeof offsets !== 'number') {
    for (const { path, bytes, used } of files) {
      const step = isSqlite(path) ? offsets.everySqliteByte : 1
      const first = random.between(0, step - 1)
      for (let offset = first; offset < bytes; offset += offset < used ? step : Math.max(step, UNUSED_STEP))
        yield { path, offset, mask: random.between(1, 255) }
    }
    return
  }
  const kinds = Map.groupBy(files, ({ path }) => kindOf(path))
  const lists = [...kinds.values()]
  const count = Math.max(lists.length, Math.floor(offsets / 2))
  for (let drawn = 0; drawn < count; drawn += 1) {
    const { path, bytes, used } = random.pick(lists[drawn % lists.length] as readonly FoundFile[])
    const isUnused = used < bytes && (used === 0 || random.chance(UNUSED_CHANCE))
    const offset = isUnused ? random.between(used, bytes - 1) : random.between(0, used - 1)
    yield { path, offset, mask: random.between(1, 255) }
  }
}

/** Files of one kind differ in their numbers alone. */
export function kindOf(path: string): string {
  return path.replaceAll(/\d+/g, 'N')
}
