import { readFile, rm, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { type BlockPart, readBlock, replaceBlock } from './block.ts'
import { encodeEntry, recordLength } from './entry.ts'
import { SegmentDamaged } from './errors.ts'
import { scrub } from './scrub.ts'
import { Segments } from './segments.ts'
import { append, contents, entry, range, TestStorage } from './test-storage.ts'

const storage = TestStorage.use()

/** A store with three sealed blocks of eight entries, and what is in them. */
async function sealed() {
  const store = await storage.open()
  await append(store, range(1, 24), { term: 1, vote: 1 })
  store.committed(24)
  await store.settled()
  expect(store.segments.count).toBe(3)
  const parts: BlockPart[][] = []
  for (const firstIndex of [1, 9, 17]) parts.push(await all(readBlock(store.segments, firstIndex)))
  return { store, segments: store.segments, parts, before: contents(store) }
}

async function all(parts: AsyncIterable<BlockPart>): Promise<BlockPart[]> {
  const found: BlockPart[] = []
  for await (const part of parts) found.push(part)
  return found
}

async function* given(parts: readonly BlockPart[]): AsyncGenerator<BlockPart> {
  yield* parts
}

async function flip(path: string, offset: number): Promise<void> {
  const content = await readFile(path)
  const at = offset < 0 ? content.length + offset : offset
  content[at] = (content[at] ?? 0) ^ 0xff
  await writeFile(path, content)
}

test.each([
  ['a frame', (path: string) => flip(path, 5)],
  ['the trailer', (path: string) => flip(path, -10)],
  ['all of it', (path: string) => rm(path)],
])('a block takes the place of a segment with %s damaged, and is read at once', async (_, damage) => {
  const { store, segments, parts, before } = await sealed()
  for (const position of [2, 0, 1]) {
    const path = segments.pathOf(position)
    await damage(path)
    segments.replaced(position)
    expect((await scrub(segments)).damage.map(({ firstIndex }) => firstIndex)).toEqual([8 * position + 1])
    await expect(all(readBlock(segments, 8 * position + 1))).rejects.toThrow(SegmentDamaged)
    await replaceBlock(segments, position, given(parts[position] ?? []))
    expect((await scrub(segments)).damage).toEqual([])
  }
  expect(contents(store)).toEqual(before)
  const again = await Segments.open(segments.disk, segments.directory, 8)
  expect(again.end.chain).toEqual(segments.end.chain)
})

test('all blocks damaged are repaired from the last to the first, each on the word of the one after it', async () => {
  const { segments, parts } = await sealed()
  for (const position of [0, 1, 2]) await flip(segments.pathOf(position), -10)
  await expect(replaceBlock(segments, 0, given(parts[0] ?? []))).rejects.toThrow(SegmentDamaged)
  for (const position of [2, 1, 0]) await replaceBlock(segments, position, given(parts[position] ?? []))
  expect((await scrub(segments)).damage).toEqual([])
})

/** Records that follow one another as they should, and are not those of the chain. */
function forged(count: number, previousChecksum: number, previousChain: Uint8Array): BlockPart {
  let previous = previousChecksum
  const records = Array.from({ length: count }, (_, position) => {
    const made = entry(9 + position, 1, 'forged')
    const record = Buffer.alloc(recordLength(made))
    previous = encodeEntry(made, previous, record)
    return record
  })
  return { previousChain, previousChecksum, records: Buffer.concat(records) }
}

test('what is not the block of the chain is refused, and nothing of it is left', async () => {
  const { segments, parts } = await sealed()
  const [first] = parts[1] as [BlockPart]
  const path = segments.pathOf(1)
  await flip(path, 5)
  const damaged = await readFile(path)
  const { previousChain, previousChecksum, records } = first
  const changed = Buffer.from(records)
  changed[40] = (changed[40] ?? 0) ^ 1
  const cases: [string, readonly BlockPart[]][] = [
    ['not those of the hash chain', [forged(8, previousChecksum, previousChain)]],
    ['not those of the hash chain', [{ ...first, previousChain: Buffer.alloc(32, 1) }]],
    ['there are 7 entries of 8', [forged(7, previousChecksum, previousChain)]],
    ['there are 0 entries of 8', []],
    ['more entries than a block has', [forged(9, previousChecksum, previousChain)]],
    ['does not follow', [{ ...first, previousChecksum: 1 }]],
    ['does not follow', parts[0] ?? []],
    ['checksum does not match', [{ ...first, records: changed }]],
    ['cut short', [{ ...first, records: records.subarray(0, -1) }]],
  ]
  for (const [message, wrong] of cases)
    await expect(replaceBlock(segments, 1, given(wrong)), message).rejects.toThrow(message)
  expect(await readFile(path)).toEqual(damaged)
  const left = await Segments.open(segments.disk, segments.directory, 8)
  expect(left.count).toBe(3)
  await replaceBlock(segments, 1, given(parts[1] ?? []))
  expect((await scrub(segments)).damage).toEqual([])
})

test('no block is given that does not begin there, or is not sealed', async () => {
  const { segments } = await sealed()
  for (const firstIndex of [0, 2, 25, 2 ** 40])
    await expect(all(readBlock(segments, firstIndex))).rejects.toThrow('no sealed block begins with')
})
