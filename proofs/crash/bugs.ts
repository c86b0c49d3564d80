import type { SownBug } from '../sim/bugs/bug.ts'

const wal = 'log/storage/wal.ts'
const queue = 'log/storage/write-queue.ts'
const open = 'log/storage/wal-open.ts'
const group = 'log/storage/wal-group.ts'
const files = 'log/storage/wal-files.ts'

/** Bugs of the storage path: each takes one rule of what is durable, and when, away. */
export const storageBugs: readonly SownBug[] = [
  {
    name: 'acknowledges before the sync',
    file: wal,
    find: 'await this.#handle.write(content, offset)',
    replace: 'void this.#handle.write(content, offset)',
  },
  {
    name: 'cuts too much off behind the last group',
    file: open,
    find: 'end.end, end.remains)',
    replace: 'end.end - sectorBytes, end.remains + sectorBytes)',
  },
  {
    name: 'truncates one entry more than was replaced',
    file: queue,
    find: 'if (entries === 0) {\n      baseIndex = change.baseIndex',
    replace:
      'if (entries === 0) {\n      baseIndex = Math.max(0, change.baseIndex - (change.entries === 0 ? 1 : 0))',
  },
  {
    name: 'takes any damaged sector at the end for torn',
    file: group,
    find: "if (!isZero(group, start, start + sectorBytes)) return 'damaged'",
    replace: '',
  },
  {
    name: 'takes what has the wrong checksum at the end for torn',
    file: group,
    find: "    ? 'whole'\n    : 'damaged'",
    replace: "    ? 'whole'\n    : 'torn'",
  },
  {
    name: 'takes a damaged header for the end',
    file: 'log/storage/wal-scan.ts',
    find: 'if (!isTorn && !isZero(content, end, next)) return',
    replace: 'if (content.length < end) return',
  },
  {
    name: 'writes the hard state after its entries',
    file: queue,
    find: 'const mark = await this.#wal.append(joined(group))',
    replace: `const whole = joined(group)
    await this.#wal.append({ ...whole, hardState: null })
    const last = whole.baseIndex + whole.entries
    const baseCrc = whole.entries === 0 ? whole.baseCrc : (this.#wal.index.read(last)[0]?.crc ?? 0)
    const bare = { baseIndex: last, baseCrc, records: [], recordBytes: 0, entries: 0 }
    const mark = await this.#wal.append({ ...whole, ...bare })`,
  },
  {
    name: 'forgets the hard state when it did not change',
    file: wal,
    find: 'group.hardState ?? this.#hardState',
    replace: 'group.hardState ?? { ...this.#hardState, vote: 0 }',
  },
  {
    name: 'leaves what a crash left behind the last group',
    file: open,
    find: 'if (end.remains > 0)',
    replace: 'if (end.remains < 0)',
  },
  {
    name: 'trusts what a killed process did not sync',
    file: open,
    find: "await withFile(disk, last, 'write', (file) => file.sync())",
    replace: '',
  },
  {
    name: 'trusts names that a killed process did not sync',
    file: 'log/storage/open.ts',
    find: 'await disk.syncDirectory(each)',
    replace: 'await disk.exists(each)',
  },
  {
    name: 'removes files before the names of segments are durable',
    file: open,
    find: 'return { ...reader.content(), end',
    replace:
      'for (const number of obsolete) await disk.remove(join(directory, walName(number)))\n  return { ...reader.content(), end',
  },
  {
    name: 'marks a group that is not written',
    file: 'log/storage/mark-keeper.ts',
    find: 'this.#wanted = mark\n',
    replace: 'this.#wanted = { ...mark, sequence: mark.sequence + 1 }\n',
  },
  {
    name: 'uses a new file before its name is durable',
    file: files,
    find: 'await disk.rename(temporary, path)\n  await disk.syncDirectory(directory)',
    replace: 'await disk.rename(temporary, path)',
  },
  {
    name: 'removes files whose entries are not sealed',
    file: wal,
    find: 'baseIndex <= sealedIndex)',
    replace: 'baseIndex <= sealedIndex + 3)',
  },
  {
    name: 'shows a segment before its bytes are durable',
    file: 'log/storage/segment-writer.ts',
    find: 'await this.#file.sync()\n',
    replace: '',
  },
]
