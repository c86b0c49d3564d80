import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Entry, HardState } from '../../../log/raft/types.ts'
import { StorageError } from '../../../log/storage/errors.ts'
import { keyOf, range, TestStorage, texts, withDatabase } from '../../../log/storage/test-storage.ts'
import { soundDisk } from '../options.ts'
import { Random } from '../random.ts'
import { Schedule } from '../schedule.ts'
import { SimulatedDisk } from './disk.ts'
import { recordOf, spoiled } from './medium.ts'

interface Change {
  readonly hardState: HardState
  readonly becomesVoter: boolean
  readonly truncateFrom: number
  readonly entries: readonly Entry[]
}

/** What both disks are given: the last entries of term 1 are replaced by those of term 2. */
const changes: readonly Change[] = [
  { hardState: { term: 1, vote: 1 }, becomesVoter: true, truncateFrom: 0, entries: range(1, 14) },
  { hardState: { term: 2, vote: 0 }, becomesVoter: false, truncateFrom: 0, entries: [] },
  { hardState: { term: 2, vote: 3 }, becomesVoter: false, truncateFrom: 13, entries: range(13, 20, 2) },
]
const kept = texts([...range(1, 12), ...range(13, 20, 2)])
const hardStateKey = Buffer.from('h')
const voterKey = Buffer.from('v')

interface Case {
  readonly name: string
  readonly onDisk: (real: Real) => Promise<void>
  readonly simulated: (disk: SimulatedDisk) => void
  /** The reason why it is refused, or how the member stands and what it shows. */
  readonly outcome: string | { readonly standing: string; readonly entries: readonly string[] }
}

/** A closed directory, and what was in it before the last change. */
interface Real {
  readonly directory: string
  readonly hardStateBefore: Buffer
  readonly entriesBefore: ReadonlyMap<number, Buffer>
  readonly markBefore: Buffer
}

const storage = TestStorage.use()
const voter = { standing: 'voter', entries: kept }

const cases: readonly Case[] = [
  { name: 'nothing', onDisk: async () => undefined, simulated: () => undefined, outcome: voter },
  {
    name: 'a bit of an acknowledged entry flips',
    onDisk: ({ directory }) => flip(directory, keyOf(7)),
    simulated: ({ medium }) => medium.spoil(7),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'an entry between others is missing',
    onDisk: ({ directory }) => withDatabase(directory, (database) => database.del(keyOf(9))),
    simulated: ({ medium }) => {
      medium.records[8] = undefined
    },
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'the last entries are missing',
    onDisk: ({ directory }) =>
      withDatabase(directory, async (database) => {
        for (const index of [18, 19, 20]) await database.del(keyOf(index))
      }),
    simulated: ({ medium }) => {
      medium.records.length = 17
    },
    outcome: 'TAIL_VANISHED',
  },
  {
    name: 'a bit of term and vote flips',
    onDisk: ({ directory }) => flip(directory, hardStateKey),
    simulated: ({ medium }) => medium.spoilHardState(),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'term and vote are missing',
    onDisk: ({ directory }) => withDatabase(directory, (database) => database.del(hardStateKey)),
    simulated: ({ medium }) => {
      medium.hardState = { value: { term: 0, vote: 0 }, isSound: true }
    },
    outcome: 'TAIL_VANISHED',
  },
  {
    name: 'the vote alone is the one before',
    onDisk: ({ directory, hardStateBefore }) =>
      withDatabase(directory, (database) => database.put(hardStateKey, hardStateBefore)),
    simulated: ({ medium }) => {
      medium.hardState = { value: { term: 2, vote: 0 }, isSound: true }
    },
    outcome: 'TAIL_VANISHED',
  },
  {
    name: 'entries that were replaced come back, with later ones behind them',
    onDisk: ({ directory, entriesBefore }) =>
      withDatabase(directory, async (database) => {
        for (const [index, record] of entriesBefore) await database.put(keyOf(index), record)
      }),
    simulated: ({ medium }) => {
      let last = medium.records[11]?.checksum ?? 0
      for (const entry of range(13, 14)) {
        const record = recordOf(entry, last)
        last = record.checksum
        medium.records[entry.index - 1] = record
      }
    },
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'a write went to the place of another',
    onDisk: ({ directory }) =>
      withDatabase(directory, async (database) => {
        const record = await database.get(keyOf(17))
        if (record !== undefined) await database.put(keyOf(6), record)
        await database.del(keyOf(17))
      }),
    simulated: ({ medium }) => medium.misdirect(17, 6, undefined),
    outcome: 'TAIL_DAMAGED',
  },
  {
    name: 'the flag of a voter is missing',
    onDisk: ({ directory }) => withDatabase(directory, (database) => database.del(voterKey)),
    simulated: ({ medium }) => {
      medium.isVoter = false
    },
    outcome: { standing: 'recovering', entries: kept },
  },
  {
    name: 'the newer slot of the mark is torn',
    onDisk: ({ directory }) => spoilMark(directory, false),
    simulated: ({ medium }) => medium.spoilMarks(false),
    outcome: voter,
  },
  {
    name: 'both slots of the mark are torn',
    onDisk: ({ directory }) => spoilMark(directory, true),
    simulated: ({ medium }) => medium.spoilMarks(true),
    outcome: 'MARK_DAMAGED',
  },
  {
    name: 'a torn entry lies behind the end',
    onDisk: ({ directory }) =>
      withDatabase(directory, (database) => database.put(keyOf(21), Buffer.from('torn'))),
    simulated: ({ medium }) => {
      medium.records.push(
        spoiled(recordOf({ index: 21, term: 2, kind: 'noop', payload: new Uint8Array(0) }, 0)),
      )
    },
    outcome: voter,
  },
  {
    name: 'the mark lags behind what is stored',
    onDisk: ({ directory, markBefore }) => writeFile(join(directory, 'high-water-mark'), markBefore),
    simulated: ({ medium }) => {
      const checksum = medium.records[11]?.checksum ?? 0
      medium.writeMark({ index: 12, checksum, hardState: { term: 2, vote: 0 } }, false)
    },
    outcome: voter,
  },
]

describe('the simulated disk makes of damage what storage makes of it', () => {
  test.each(cases)('$name', { timeout: 120_000 }, async ({ onDisk, simulated, outcome }) => {
    expect(await realOutcome(onDisk), 'log/storage').toEqual(outcome)
    expect(simulatedOutcome(simulated), 'the simulated disk').toEqual(outcome)
  })
})

async function realOutcome(damage: Case['onDisk']): Promise<Case['outcome']> {
  const { directory } = storage
  let hardStateBefore: Buffer = Buffer.alloc(0)
  let markBefore: Buffer = Buffer.alloc(0)
  const entriesBefore = new Map<number, Buffer>()
  for (const change of changes) {
    const store = await storage.open()
    await new Promise<void>((done) => store.append(change, done))
    await store.close()
    if (change === changes.at(-1)) break
    markBefore = await readFile(join(directory, 'high-water-mark'))
    await withDatabase(directory, async (database) => {
      hardStateBefore = (await database.get(hardStateKey)) ?? hardStateBefore
      for (const index of [13, 14]) {
        const record = await database.get(keyOf(index))
        if (record !== undefined) entriesBefore.set(index, record)
      }
    })
  }
  // The mark as it was lowered, before the entries were replaced.
  const lowered = Buffer.from(markBefore)
  const after = await readFile(join(directory, 'high-water-mark'))
  const older = after.readUInt32BE(12) < after.readUInt32BE(4096 + 12) ? 0 : 4096
  after.copy(lowered, older, older, older + 48)
  await damage({ directory, hardStateBefore, entriesBefore, markBefore: lowered })
  const opened = await storage.open().catch((error: unknown) => error)
  if (opened instanceof StorageError) return opened.reason
  if (opened instanceof Error) throw opened
  const store = opened as Awaited<ReturnType<typeof storage.open>>
  return { standing: store.standing, entries: texts(store.entries(1, store.lastIndex(), 1_000_000)) }
}

function simulatedOutcome(damage: Case['simulated']): Case['outcome'] {
  const schedule = new Schedule()
  const disk = new SimulatedDisk(schedule, new Random(1), soundDisk, {
    durable: () => undefined,
    failed: () => undefined,
    damaged: () => undefined,
    count: () => undefined,
    mayDamage: () => true,
  })
  disk.wipe('founding')
  for (const [position, change] of changes.entries()) {
    const lastIndex = change.entries.at(-1)?.index ?? 14
    let isDone = false
    disk.write({ ...change, sequence: position + 1, term: change.hardState.term, lastIndex }, () => {
      isDone = true
    })
    while (schedule.step()) {}
    expect(isDone).toBe(true)
  }
  damage(disk)
  const refusal = disk.open(false)
  if (refusal !== null) return refusal
  return { standing: disk.standing, entries: texts(disk.log) }
}

async function flip(directory: string, key: Buffer): Promise<void> {
  await withDatabase(directory, async (database) => {
    const record = await database.get(key)
    if (record === undefined) throw new Error('it is not there')
    record[record.length - 1] = (record.at(-1) ?? 0) ^ 1
    await database.put(key, record)
  })
}

async function spoilMark(directory: string, isBoth: boolean): Promise<void> {
  const path = join(directory, 'high-water-mark')
  const content = await readFile(path)
  const newer = content.readUInt32BE(12) > content.readUInt32BE(4096 + 12) ? 0 : 4096
  content.fill(0, newer + 20, newer + 48)
  if (isBoth) content.fill(0)
  await writeFile(path, content)
}
