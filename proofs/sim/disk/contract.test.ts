import { cp, readFile, writeFile } from 'node:fs/promises'
import { describe, expect, test } from 'vitest'
import type { Entry, HardState } from '../../../log/raft/types.ts'
import { StorageError } from '../../../log/storage/errors.ts'
import { markPath } from '../../../log/storage/paths.ts'
import type { LogStore } from '../../../log/storage/store.ts'
import {
  edit,
  entry,
  groupOffsets,
  range,
  TestStorage,
  texts,
  walPath,
} from '../../../log/storage/test-storage.ts'
import { sectorBytes } from '../../../log/storage/wal-group.ts'
import { soundDisk } from '../options.ts'
import { Random } from '../random.ts'
import { Schedule } from '../schedule.ts'
import { SimulatedDisk } from './disk.ts'
import { linked } from './group.ts'
import { type Medium, markOf } from './medium.ts'

interface Change {
  readonly hardState: HardState | null
  readonly becomesVoter: boolean
  readonly truncateFrom: number
  readonly entries: readonly Entry[]
}

/** What both disks are given, a group each, 2 to 5: the last entries of term 1 are replaced by those of term 2. */
const changes: readonly Change[] = [
  { hardState: { term: 1, vote: 1 }, becomesVoter: true, truncateFrom: 0, entries: range(1, 14) },
  { hardState: { term: 2, vote: 0 }, becomesVoter: false, truncateFrom: 0, entries: [] },
  { hardState: { term: 2, vote: 3 }, becomesVoter: false, truncateFrom: 13, entries: range(13, 20, 2) },
  { hardState: null, becomesVoter: false, truncateFrom: 0, entries: range(21, 40, 2) },
]
const lastGroup = 5
/** What was written after these groups, and lost in a crash, so that others took the sequence. */
const unfinished: Readonly<Record<number, Change>> = {
  4: { hardState: null, becomesVoter: false, truncateFrom: 0, entries: [entry(15)] },
  5: { hardState: null, becomesVoter: false, truncateFrom: 0, entries: [entry(21, 2, 'another')] },
}

/** A closed directory, and what it was before. */
interface Real {
  readonly directory: string
  readonly wal: string
  /** Of group n at n - 1; then the end. */
  readonly offsets: readonly number[]
  /** The mark that names group n at n - 1. */
  readonly marks: readonly Buffer[]
  /** The write-ahead file with the unfinished group n in the place of the one that followed. */
  readonly older: ReadonlyMap<number, Buffer>
}

interface Case {
  readonly name: string
  /** The group that the mark names, when it lags. */
  readonly marked?: number
  readonly onDisk: (real: Real) => Promise<void> | void
  readonly simulated: (medium: Medium) => void
  /** The reason why it is refused, or how the member stands and what it shows. */
  readonly outcome: string | { readonly standing: string; readonly entries: readonly string[] }
}

const storage = TestStorage.use()
const kept = [...range(1, 12), ...range(13, 20, 2)]
const voter = { standing: 'voter', entries: texts([...kept, ...range(21, 40, 2)]) }
const withoutLast = { standing: 'voter', entries: texts(kept) }

/** Where the fields of a header are (log/storage/wal-group.ts). */
const headerFields = { sequence: 23, term: 47, vote: 51, 'flag of a voter': 55, 'base index': 63 } as const

const cases: readonly Case[] = [
  { name: 'nothing', onDisk: () => undefined, simulated: () => undefined, outcome: voter },
  {
    name: 'a bit of an acknowledged entry flips',
    onDisk: (real) => flip(real, 2, 200),
    simulated: (medium) => medium.spoil(2),
    outcome: 'TAIL_DAMAGED',
  },
  ...Object.entries(headerFields).map(([field, offset]) => ({
    name: `a bit of the ${field} in the last group flips, before the mark names it`,
    marked: 4,
    onDisk: (real: Real) => flip(real, lastGroup, offset),
    simulated: (medium: Medium) => medium.spoil(lastGroup),
    outcome: 'TAIL_DAMAGED',
  })),
  {
    name: 'a bit of what fills the last sector of a group flips',
    onDisk: (real) => flip(real, 3, sectorBytes - 1),
    simulated: (medium) => medium.spoil(3),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a group between others is missing',
    onDisk: (real) => lose(real, 3, 3),
    simulated: (medium) => medium.lose(3),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a group is missing, and a later one is there that the mark does not name either',
    marked: 3,
    onDisk: (real) => lose(real, 4, 4),
    simulated: (medium) => medium.lose(4),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a sector of a group between others is missing',
    onDisk: (real) => loseSector(real, 2, 1),
    simulated: (medium) => medium.tear(2),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'the last groups are missing',
    onDisk: (real) => lose(real, 4, lastGroup),
    simulated: (medium) => medium.lose(4, lastGroup),
    outcome: 'TAIL_VANISHED',
  },
  {
    name: 'a term that was acknowledged is missing, without an entry',
    marked: 3,
    onDisk: (real) => lose(real, 3, lastGroup),
    simulated: (medium) => medium.lose(3, lastGroup),
    outcome: 'TAIL_VANISHED',
  },
  {
    name: 'all groups are missing',
    onDisk: (real) => lose(real, 1, lastGroup),
    simulated: (medium) => medium.lose(1, lastGroup),
    outcome: 'TAIL_VANISHED',
  },
  {
    name: 'the last group is missing, and the mark does not name it: the window of decision 10',
    marked: 4,
    onDisk: (real) => lose(real, lastGroup, lastGroup),
    simulated: (medium) => medium.lose(lastGroup),
    outcome: withoutLast,
  },
  {
    name: 'a sector of the last group is missing, and the mark names it',
    onDisk: (real) => loseSector(real, lastGroup, 1),
    simulated: (medium) => medium.tear(lastGroup),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a torn group lies behind the end',
    marked: 4,
    onDisk: (real) => loseSector(real, lastGroup, 1),
    simulated: (medium) => medium.tear(lastGroup),
    outcome: withoutLast,
  },
  {
    name: 'a write went to the place of another',
    onDisk: (real) => move(real, lastGroup, real.offsets[2] ?? 0),
    simulated: (medium) => medium.misdirect(lastGroup, 3),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a write went to the first place, and entries before it are missing',
    onDisk: (real) => move(real, lastGroup, 0),
    simulated: (medium) => medium.misdirect(lastGroup, 1),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a write went behind the end, before the mark names it',
    marked: 4,
    onDisk: (real) => move(real, lastGroup, real.offsets[lastGroup] ?? 0),
    simulated: (medium) => medium.misdirect(lastGroup, lastGroup + 1),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a group that was lost in a crash comes back, with a later one behind it',
    marked: 3,
    onDisk: (real) => bringBack(real, 4, false),
    simulated: (medium) => medium.bringBack(4),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a group that was lost in a crash comes back in the place of the last, which the mark names',
    onDisk: (real) => bringBack(real, lastGroup, true),
    simulated: (medium) => medium.bringBack(lastGroup),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'the newer slot of the mark is torn',
    onDisk: (real) => spoilMark(real, false),
    simulated: (medium) => medium.spoilMarks(false),
    outcome: voter,
  },
  {
    name: 'both slots of the mark are torn',
    onDisk: (real) => spoilMark(real, true),
    simulated: (medium) => medium.spoilMarks(true),
    outcome: 'MARK_DAMAGED',
  },
  {
    name: 'the mark lags behind what is stored',
    marked: 2,
    onDisk: () => undefined,
    simulated: () => undefined,
    outcome: voter,
  },
]

describe('the simulated disk makes of damage what storage makes of it', () => {
  test.each(cases)('$name', { timeout: 120_000 }, async (sample) => {
    expect(await realOutcome(sample), 'log/storage').toEqual(sample.outcome)
    expect(simulatedOutcome(sample), 'the simulated disk').toEqual(sample.outcome)
  })
})

test('what waits goes into one group, but not what replaces entries of that group', () => {
  const none = { hardState: null, becomesVoter: false, truncateFrom: 0 }
  const sent: readonly Change[] = [
    { ...none, hardState: { term: 1, vote: 1 }, entries: range(1, 2) },
    { ...none, entries: range(3, 4) },
    { ...none, hardState: { term: 2, vote: 0 }, entries: [] },
    { ...none, truncateFrom: 4, entries: range(4, 6, 2) },
    { ...none, entries: range(7, 7, 2) },
  ]
  const { disk, schedule } = simulatedDisk()
  const done: number[] = []
  let lastIndex = 0
  for (const [position, change] of sent.entries()) {
    lastIndex = change.entries.at(-1)?.index ?? lastIndex
    write(disk, position + 1, change, lastIndex, () => done.push(position))
  }
  while (schedule.step()) {}
  expect(done).toEqual([0, 1, 2, 3, 4])
  const groups = disk.medium.places.map((placed) => placed?.group)
  expect(groups.map((group) => [group?.baseIndex, group?.entries.length, group?.hardState.term])).toEqual([
    [0, 0, 0],
    [0, 2, 1],
    [2, 2, 2],
    [3, 4, 2],
  ])
  expect(disk.open(false)).toBeNull()
  expect(texts(disk.log)).toEqual(texts([...range(1, 3), ...range(4, 7, 2)]))
})

async function realOutcome({ marked, onDisk }: Case): Promise<Case['outcome']> {
  const { directory } = storage
  const wal = walPath(directory)
  let store = await storage.open()
  const marks: Buffer[] = [await readFile(markPath(directory))]
  const older = new Map<number, Buffer>()
  for (const [position, change] of changes.entries()) {
    const lost = unfinished[position + 2]
    if (lost !== undefined) {
      await store.close()
      older.set(position + 2, await writtenInCopy(lost))
      store = await storage.open()
    }
    await appended(store, change)
    await store.settled()
    marks.push(await readFile(markPath(directory)))
  }
  await store.close()
  const real = { directory, wal, offsets: await groupOffsets(wal), marks, older }
  expect(real.offsets).toHaveLength(lastGroup + 1)
  if (marked !== undefined) await writeFile(markPath(directory), marks[marked - 1] ?? Buffer.alloc(0))
  await onDisk(real)
  const opened = await storage.open().catch((error: unknown) => error)
  if (opened instanceof StorageError) return opened.reason
  if (opened instanceof Error) throw opened
  const found = opened as LogStore
  return { standing: found.standing, entries: texts(found.entries(1, found.lastIndex(), 1_000_000)) }
}

async function appended(store: LogStore, change: Change): Promise<void> {
  await new Promise<void>((done) => store.append(change, done))
}

/** The write-ahead file as it would be with this change next, which a crash then takes back. */
async function writtenInCopy(change: Change): Promise<Buffer> {
  const copy = `${storage.directory}-${change.entries[0]?.index}`
  await cp(storage.directory, copy, { recursive: true })
  const store = await storage.open(copy)
  await appended(store, change)
  await store.close()
  return readFile(walPath(copy))
}

function simulatedOutcome({ marked, simulated }: Case): Case['outcome'] {
  const { disk, schedule } = simulatedDisk()
  const { medium } = disk
  for (const [position, change] of changes.entries()) {
    const sequence = position + 2
    const lost = unfinished[sequence]
    const last = medium.at(sequence - 1)?.group
    if (lost !== undefined && last !== undefined) {
      const { entries } = lost
      const follows = { sequence, previousLink: last.link, baseIndex: disk.log.length }
      medium.interrupt(linked({ ...last, ...follows, entries }), false)
    }
    let isDone = false
    write(disk, position + 1, change, change.entries.at(-1)?.index ?? disk.log.length, () => {
      isDone = true
    })
    while (schedule.step()) {}
    expect(isDone).toBe(true)
  }
  const named = marked === undefined ? null : medium.at(marked)
  if (named !== null) medium.writeMark(markOf(named.group), false)
  simulated(medium)
  const refusal = disk.open(false)
  if (refusal !== null) return refusal
  return { standing: disk.standing, entries: texts(disk.log) }
}

function simulatedDisk(): { readonly disk: SimulatedDisk; readonly schedule: Schedule } {
  const schedule = new Schedule()
  const disk = new SimulatedDisk(schedule, new Random(1), soundDisk, {
    durable: () => undefined,
    failed: () => undefined,
    damaged: () => undefined,
    count: () => undefined,
    mayDamage: () => true,
  })
  disk.wipe('founding')
  return { disk, schedule }
}

function write(
  disk: SimulatedDisk,
  sequence: number,
  change: Change,
  lastIndex: number,
  done: () => void,
): void {
  disk.write({ ...change, sequence, term: change.hardState?.term ?? 2, lastIndex }, done)
}

async function flip({ wal, offsets }: Real, group: number, offset: number): Promise<void> {
  const at = (offsets[group - 1] ?? 0) + offset
  await edit(wal, (content) => content.writeUInt8(content.readUInt8(at) ^ 1, at))
}

async function lose({ wal, offsets }: Real, first: number, last: number): Promise<void> {
  await edit(wal, (content) => content.fill(0, offsets[first - 1], offsets[last]))
}

async function loseSector({ wal, offsets }: Real, group: number, sector: number): Promise<void> {
  const at = (offsets[group - 1] ?? 0) + sector * sectorBytes
  expect(at).toBeLessThan(offsets[group] ?? 0)
  await edit(wal, (content) => content.fill(0, at, at + sectorBytes))
}

async function move({ wal, offsets }: Real, group: number, to: number): Promise<void> {
  await edit(wal, (content) => {
    const moved = Buffer.from(content.subarray(offsets[group - 1], offsets[group]))
    content.fill(0, offsets[group - 1], offsets[group])
    content.set(moved, to)
  })
}

async function bringBack({ wal, offsets, older }: Real, group: number, isLast: boolean): Promise<void> {
  const start = offsets[group - 1] ?? 0
  const before = older.get(group)?.subarray(start, start + sectorBytes) ?? Buffer.alloc(0)
  await edit(wal, (content) => {
    if (isLast) content.fill(0, start)
    content.set(before, start)
  })
}

async function spoilMark({ directory }: Real, isBoth: boolean): Promise<void> {
  await edit(markPath(directory), (content) => {
    const newer = content.readUInt32BE(12) > content.readUInt32BE(4096 + 12) ? 0 : 4096
    content.fill(0, newer + 20, newer + 48)
    if (isBoth) content.fill(0)
  })
}
