import type { Bug } from './bug.ts'

const disk = 'proofs/sim/disk/disk.ts'
const opening = 'proofs/sim/disk/opening.ts'
const medium = 'proofs/sim/disk/medium.ts'
const member = 'proofs/sim/member.ts'

/** Bugs of storage, sown into the simulated one. */
export const storageBugs: readonly Bug[] = [
  {
    name: 'forgets term and vote in a crash',
    breaks: 'election safety',
    file: disk,
    find: 'this.#hardState = hardState\n    this.#standing = isAlone',
    replace:
      'this.#hardState = { term: records.at(-1)?.entry.term ?? 0, vote: 0 }\n    this.#standing = isAlone',
  },
  {
    name: 'forgets only the vote in a crash',
    breaks: 'election safety',
    file: disk,
    find: 'this.#hardState = hardState\n    this.#standing = isAlone',
    replace: 'this.#hardState = { term: hardState.term, vote: 0 }\n    this.#standing = isAlone',
  },
  {
    name: 'loses the last synced entry in a crash',
    breaks: 'no committed entry lost',
    file: disk,
    find: 'this.#log = records.map(({ entry }) => entry)',
    replace: 'this.#log = records.slice(0, -1).map(({ entry }) => entry)',
  },
  {
    name: 'accepts a blank disk',
    breaks: 'no committed entry lost',
    file: member,
    find: "else this.wipe(this.#random.chance(0.3) ? 'founding' : 'recovering')",
    replace: "else this.wipe('voter')",
  },
  {
    name: 'keeps the entries that were to be replaced',
    breaks: 'log matching',
    file: disk,
    find: 'write.truncateFrom === 0 ? []',
    replace: 'write.truncateFrom > 0 ? []',
  },
  {
    name: 'takes a failed sync for a good one',
    breaks: 'durability before an answer',
    file: disk,
    find: 'this.#ports.failed()\n    return true',
    replace: 'for (const { done } of this.#syncing.splice(0)) done()\n    return true',
  },
  {
    name: 'does not compare the end of the log with the mark',
    breaks: 'no committed entry lost',
    file: opening,
    find: 'const mark = medium.openMark()',
    replace:
      'const newest = medium.openMark()\n  const mark = newest === null ? null : { ...newest, index: 0, checksum: 0 }',
  },
  {
    name: 'starts without a mark',
    breaks: 'no committed entry lost',
    file: opening,
    find: 'const mark = medium.openMark()',
    replace:
      'const mark = medium.openMark() ?? { index: 0, checksum: 0, hardState: { term: 0, vote: 0 } }\n  if (mark.index === 0) medium.records.length = 0',
  },
  {
    name: 'does not verify the checksum of an entry',
    breaks: 'state-machine safety',
    file: opening,
    find: '!record.isSound || ',
    replace: '',
  },
  {
    name: 'writes both slots of the mark at once',
    breaks: 'progress',
    file: medium,
    find: 'this.#slots[this.#sequence % 2] = isTorn ? null : { mark, sequence: this.#sequence }',
    replace:
      'for (const slot of [0, 1]) this.#slots[slot] = isTorn ? null : { mark, sequence: this.#sequence }',
  },
  {
    name: 'acknowledges before the mark is written',
    breaks: 'durability before an answer',
    file: disk,
    find: 'this.#written.push(...batch)\n',
    replace:
      'this.#report(batch)\n      this.#written.push(...batch.map(({ write }) => ({ write, done: () => undefined })))\n',
  },
]

/** These take a schedule that is hard to come by. */
export const rareStorageBugs: readonly Bug[] = [
  {
    name: 'does not verify the chain of the entries',
    breaks: 'no committed entry lost',
    file: opening,
    find: 'if (record.previousChecksum !== (last?.checksum ?? 0)) break',
    replace: 'void last',
  },
  {
    name: 'does not lower the mark before it replaces entries',
    breaks: 'progress',
    file: disk,
    find: 'if (lowest !== 0 && lowest <= this.#mark.index)',
    replace: 'if (lowest !== 0 && lowest < 0)',
  },
  {
    name: 'does not compare term and vote with the mark',
    breaks: 'election safety',
    file: opening,
    find: 'const hardState = medium.hardState.value\n  if (!isKept(hardState, mark, lastTerm))',
    replace: 'const hardState = medium.hardState.value\n  if (hardState.term < lastTerm)',
  },
  {
    name: 'reads a damaged entry as if it were sound',
    breaks: 'state-machine safety',
    file: disk,
    find: 'if (record?.isSound === false) throw new DiskFailure(`entry ${index} is damaged`)',
    replace: 'if (record?.isSound === false) return record.entry',
  },
  {
    name: 'writes the term after its entries',
    breaks: 'durability before an answer',
    file: disk,
    find: 'if (isUnderWay && outcome < 0.5) {',
    replace:
      'if (isUnderWay && outcome < 0.5) {\n      this.#syncing = this.#syncing.map(({ write, done }) => ({ write: { ...write, hardState: null }, done }))',
  },
]
