import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadDomains } from '../../domains/load.ts'
import { Random } from '../sim/random.ts'
import { type FoundFile, filesOf, makeDirectory } from './directory.ts'
import { type Flip, type Flipped, type Outcome, tryFlip } from './flip.ts'

const COMMANDS = 2000
/** Members on copies at the same time: they mostly wait for disks and timers. */
const WORKERS = 3

export interface FlipFigures {
  readonly files: number
  readonly bytes: number
  readonly flips: number
  readonly outcomes: Readonly<Record<Outcome, number>>
  /** Where a member was silently wrong, or did not start and did not say why: none, when the proof holds. */
  readonly failures: readonly Flipped[]
  readonly by_kind: Readonly<Record<string, Readonly<Record<string, number>>>>
}

export interface FlipOptions {
  /** How many offsets are drawn, besides one in each kind of file; all there are for 'all'. */
  readonly offsets: number | 'all'
  readonly seed: number
  readonly say: (line: string) => void
}

/** Flips bytes in every kind of file of a data directory, one at a time: each is harmless, repaired, or refused; never silently wrong. */
export async function proveFlips({ offsets, seed, say }: FlipOptions): Promise<FlipFigures> {
  const base = await mkdtemp(join(tmpdir(), 'ultracloud-flip-'))
  try {
    const registry = await loadDomains()
    const { closed, crashed, shown } = await makeDirectory(base, registry, COMMANDS)
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
      const found = await filesOf(directory)
      files += found.length
      for (const file of found) bytes += file.bytes
      const drawn = draw(found, offsets, random)
      const work = async (worker: number): Promise<void> => {
        for (const flip of drawn)
          count(await tryFlip(directory, join(base, `copy-${worker}`), flip, registry, shown))
      }
      await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)))
    }
    return { files, bytes, flips, outcomes, failures, by_kind: byKind }
  } finally {
    await rm(base, { recursive: true, force: true })
  }
}

/** Of bytes that were never written every so many stands for the others, and a part of those drawn. */
const UNUSED_STEP = 512
const UNUSED_CHANCE = 0.2

/** One in each kind of file, then offsets drawn from all bytes, but from each kind as often: else one large file took all. */
function* draw(files: readonly FoundFile[], offsets: number | 'all', random: Random): Generator<Flip> {
  if (offsets === 'all') {
    for (const { path, bytes, used } of files)
      for (let offset = 0; offset < bytes; offset += offset < used ? 1 : UNUSED_STEP)
        yield { path, offset, mask: random.between(1, 255) }
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
