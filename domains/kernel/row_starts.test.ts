import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { blocksOf, verifyTable } from './level_table.ts'
import { decodeRecord, encodeRecord } from './record.ts'
import { newEngine, recordAt } from './row_store.child.ts'
import { type OpenedRows, RowStore } from './row_store.ts'

const child = new URL('./row_store.child.ts', import.meta.url).pathname
const RECORDS = 200
const PADDING = 500
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-starts-'))
})

afterEach(() => rm(directory, { recursive: true }))

const fail = (error: Error): never => {
  throw error
}

const opened = (): Promise<OpenedRows> => RowStore.open(directory, newEngine().state, fail)

/** Rows in a table of LevelDB: it makes one of its log when it is opened again. */
async function makeRows(): Promise<string> {
  const engine = newEngine()
  const { store } = await RowStore.open(directory, engine.state, fail)
  for (let revision = 1; revision <= RECORDS; revision++) {
    const payload = encodeRecord(recordAt(engine, revision, PADDING))
    engine.apply(decodeRecord(payload), revision)
    store.write(engine.state.journal.take(), { revision, time: revision }, payload)
  }
  await store.close()
  await (await opened()).store.close()
  const name = (await readdir(directory)).find((file) => file.endsWith('.ldb')) as string
  return join(directory, name)
}

/** Shortens the first key of every block below the eight bytes that LevelDB asserts each has: a key's length is the second byte of its row. */
async function shortenKeys(path: string): Promise<void> {
  const table = await readFile(path)
  for (const { offset } of blocksOf(table)) table[offset + 1] = 4
  await writeFile(path, table)
}

/** Opens the rows in a process of its own, and resolves with the signal that it ended with, or with what it printed first. */
async function start(): Promise<string> {
  const running = spawn(process.execPath, [child, directory, String(PADDING)], {
    stdio: ['ignore', 'pipe', 'ignore'],
  })
  const { promise, resolve } = Promise.withResolvers<string>()
  let printed = ''
  running.stdout.once('data', (chunk: Buffer) => {
    printed = chunk.toString()
    running.kill('SIGKILL')
  })
  running.once('close', (code, signal) => resolve(printed === '' ? String(signal ?? code) : printed))
  return promise
}

describe('rows that end the process that reads them', () => {
  it('are made anew by the next start, which says why', async () => {
    await shortenKeys(await makeRows())
    expect(await start()).toBe('SIGABRT')
    const { store, repaired, applied } = await opened()
    expect(repaired).toMatch(
      /^\d+\.ldb is damaged: its block at 0 has another checksum, which may have ended the process/,
    )
    expect(applied.revision).toBe(0)
    await store.close()
    const again = await opened()
    expect(again.repaired).toBeUndefined()
    await again.store.close()
  }, 30_000)

  it('are verified after two starts that did not close them, and not after one', async () => {
    const path = await makeRows()
    const table = await readFile(path)
    expect(await start()).toMatch(/^\d+\n/)
    expect(await readdir(directory)).toContain('unclosed')
    table[10] = (table[10] as number) ^ 1
    const other = join(directory, '999999.ldb')
    await writeFile(other, table)
    const one = await opened()
    expect(one.repaired).toBeUndefined()
    await one.store.close()
    expect(await readdir(directory)).not.toContain('unclosed')
    await writeFile(other, table)
    expect(await start()).toMatch(/^\d+\n/)
    expect(await start()).toMatch(/^\d+\n/)
    await writeFile(other, table)
    const two = await opened()
    expect(two.repaired).toMatch(/^999999\.ldb is damaged/)
    await two.store.close()
  }, 30_000)

  it('are found by a scrub while they are served, before LevelDB reads them', async () => {
    const path = await makeRows()
    const { store } = await opened()
    await shortenKeys(path)
    await store.scrub()
    expect(store.damage?.message).toMatch(/its block at 0 has another checksum/)
    store.clear()
    await store.flush()
    expect(store.damage).toBeUndefined()
    await store.close()
  })
})

describe('a table of LevelDB', () => {
  const verify = (table: Buffer): void => {
    for (const _ of verifyTable(table));
  }

  it('is verified but for its last bytes', async () => {
    const path = await makeRows()
    const table = await readFile(path)
    expect(blocksOf(table).length).toBeGreaterThan(2)
    verify(table)
    const { length } = table
    for (let offset = 0; offset < length - 48; offset += offset < length - 500 ? 97 : 1) {
      const flipped = Buffer.from(table)
      flipped[offset] = (flipped[offset] as number) ^ 0x10
      expect(() => verify(flipped), `at ${offset}`).toThrow(/checksum/)
    }
    for (let offset = length - 48; offset < length; offset++) {
      const flipped = Buffer.from(table)
      flipped[offset] = (flipped[offset] as number) ^ 0x10
      try {
        verify(flipped)
      } catch (error) {
        expect((error as Error).message, `at ${offset}`).toMatch(/checksum|is not in it|has no end/)
      }
    }
  })

  it('that was not finished is none: LevelDB does not read it', async () => {
    const path = await makeRows()
    await truncate(path, 100)
    verify(await readFile(path))
    expect(blocksOf(await readFile(path))).toEqual([])
  })
})
