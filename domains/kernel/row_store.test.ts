import { spawn } from 'node:child_process'
import { mkdtemp, readdir, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Engine } from './engine.ts'
import { decodeRecord, encodeRecord } from './record.ts'
import { newEngine, recordAt } from './row_store.child.ts'
import { type OpenedRows, RowStore } from './row_store.ts'
import { dump } from './testing.ts'

const child = new URL('./row_store.child.ts', import.meta.url).pathname
let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-rows-'))
})

afterEach(() => rm(directory, { recursive: true }))

/** The state after so many records. */
function replayed(revision: number, padding: number): Engine {
  const engine = newEngine()
  for (let at = 1; at <= revision; at++) {
    engine.apply(decodeRecord(encodeRecord(recordAt(engine, at, padding))), at)
    engine.state.journal.take()
  }
  return engine
}

async function opened(
  at = directory,
): Promise<OpenedRows & { readonly engine: Engine; readonly errors: Error[] }> {
  const engine = newEngine()
  const errors: Error[] = []
  const rows = await RowStore.open(at, engine.state, (error) => errors.push(error))
  return { ...rows, engine, errors }
}

function write(engine: Engine, store: RowStore, revision: number): void {
  const payload = encodeRecord(recordAt(engine, revision, 0))
  engine.apply(decodeRecord(payload), revision)
  store.write(engine.state.journal.take(), { revision, time: revision }, payload)
}

/** Runs the child until `enough` of a line it prints. */
async function untilKilled(enough: (line: string) => boolean): Promise<void> {
  const running = spawn(process.execPath, [child, directory, '100'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => running.once('exit', resolve))
  for await (const line of createInterface({ input: running.stdout }))
    if (enough(line)) running.kill('SIGKILL')
  await ended
}

describe('rows on disk', () => {
  it('are the state of one revision, whenever the process is killed', async () => {
    let last = 0
    for (let round = 1; round <= 3; round++) {
      await untilKilled((line) => Number(line) >= last + 2000 * round)
      const { store, applied, repaired, engine, origin } = await opened()
      expect(repaired).toBeUndefined()
      expect(applied.revision).toBeGreaterThan(last)
      expect(origin.revision).toBe(applied.revision)
      expect(dump(engine.state)).toBe(dump(replayed(applied.revision, 100).state))
      last = applied.revision
      await store.close()
    }
  })

  it('say once that a write failed, take nothing more, and are closed all the same', async () => {
    const shell = `trap '' XFSZ; ulimit -f 2000; exec "$0" "$@"`
    const running = spawn('bash', ['-c', shell, process.execPath, child, directory, '5000'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const lines: string[] = []
    for await (const line of createInterface({ input: running.stdout }))
      if (!/^\d+$/.test(line)) lines.push(line)
    expect(lines).toHaveLength(2)
    expect(lines[0]).toMatch(/^failed: /)
    expect(lines[1]).toMatch(/^closed: .+; failures: 1; opened again at \d+$/)
  })

  it('are the same whenever they are flushed and opened again', async () => {
    let runs = 0
    const step = fc.constantFrom(
      'write' as const,
      'write' as const,
      'write' as const,
      'flush' as const,
      'start' as const,
      'open' as const,
    )
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 120, size: 'max' }), async (steps) => {
        const at = join(directory, String(runs++))
        let rows = await opened(at)
        let revision = 0
        for (const each of steps) {
          if (each === 'write') write(rows.engine, rows.store, ++revision)
          else if (each === 'flush') await rows.store.flush()
          else if (each === 'start') void rows.store.flush()
          else {
            await rows.store.close()
            rows = await opened(at)
            expect(rows.repaired).toBeUndefined()
            expect(rows.applied.revision).toBe(revision)
            expect(dump(rows.engine.state)).toBe(dump(replayed(revision, 0).state))
          }
        }
        await rows.store.close()
        const last = await opened(at)
        expect(last.applied.revision).toBe(revision)
        expect(dump(last.engine.state)).toBe(dump(replayed(revision, 0).state))
        await last.store.close()
      }),
      { numRuns: 15 },
    )
  })

  it('are made anew when files are missing, cut short or overwritten', async () => {
    const ways: readonly [string, (path: string) => Promise<void>][] = [
      ['MANIFEST', (path) => rm(path)],
      ['MANIFEST', (path) => truncate(path, 10)],
      ['CURRENT', (path) => writeFile(path, 'nonsense')],
      ['CURRENT', (path) => truncate(path, 0)],
      ['CURRENT', (path) => writeFile(path, 'MANIFEST-999999\n')],
    ]
    for (const [i, [prefix, harm]] of ways.entries()) {
      const at = join(directory, String(i))
      const rows = await opened(at)
      for (let revision = 1; revision <= 100; revision++) write(rows.engine, rows.store, revision)
      await rows.store.close()
      const name = (await readdir(at)).find((file) => file.startsWith(prefix)) as string
      await harm(join(at, name))
      const again = await opened(at)
      expect(again.repaired, `${prefix} ${i}`).toBeTruthy()
      expect(again.applied.revision).toBe(0)
      expect(dump(again.engine.state)).toBe(dump(newEngine().state))
      write(again.engine, again.store, 1)
      await again.store.close()
    }
  })

  it('are not opened twice', async () => {
    const rows = await opened()
    await expect(opened()).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
    await rows.store.close()
  })
})
