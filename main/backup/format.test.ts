import { randomBytes } from 'node:crypto'
import { stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as fc from 'fast-check'
import { expect, it } from 'vitest'
import type { Entry } from '../../log/log.ts'
import { type BackupEnd, type BackupHead, BLOCK_BYTES } from './format.ts'
import { backupOf, readAll, temporaryDirectory } from './testing.ts'

const entry = fc.record({
  term: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
  kind: fc.constantFrom('noop' as const, 'data' as const),
  payload: fc.uint8Array({ maxLength: 2000 }),
})
const name = fc.string({ minLength: 1, maxLength: 128 })

function numbered(entries: readonly Omit<Entry, 'index'>[]): readonly Entry[] {
  return entries.map((each, at) => ({ index: at + 1, ...each }))
}

it('gives back every entry, and what was said of them', async () => {
  const path = join(await temporaryDirectory(), 'a.backup')
  const digests = fc.array(fc.record({ projection: name, digest: name }), { maxLength: 8 })
  await fc.assert(
    fc.asyncProperty(
      fc.array(entry, { minLength: 1, maxLength: 40 }),
      name,
      fc.nat(),
      digests,
      async (some, text, createdAt, found) => {
        const entries = numbered(some)
        const head: BackupHead = {
          format: 1,
          clusterId: text,
          history: text,
          revision: entries.length,
          createdAt,
        }
        const end: BackupEnd = { entries: entries.length, layout: text, digests: found }
        await writeFile(path, await backupOf(head, entries, end))
        const [first, ...rest] = await readAll(path)
        expect(first).toEqual({ type: 'head', head })
        expect(rest.pop()).toEqual({ type: 'end', end })
        const read = rest.flatMap((part) => (part.type === 'entries' ? part.entries : []))
        expect(read.map(({ payload, ...each }) => ({ ...each, payload: new Uint8Array(payload) }))).toEqual(
          entries,
        )
      },
    ),
    { numRuns: 100 },
  )
})

it('takes the largest entries that the log takes, and what cannot be compressed', async () => {
  const path = join(await temporaryDirectory(), 'a.backup')
  const payloads = [1 << 20, 1, 1 << 20, (1 << 20) - 100, 300].map((bytes) => randomBytes(bytes))
  const entries = numbered(payloads.map((payload) => ({ term: 1, kind: 'data', payload })))
  const head: BackupHead = { format: 1, clusterId: 'c', history: 'h', revision: 5, createdAt: 0 }
  await writeFile(path, await backupOf(head, entries, { entries: 5, layout: '', digests: [] }))
  const blocks = (await readAll(path)).filter((part) => part.type === 'entries')
  expect(blocks.length).toBeGreaterThan(2)
  const read = blocks.flatMap((part) => part.entries)
  expect(read.map(({ payload }) => Buffer.compare(payload, payloads.shift() as Buffer))).toEqual([
    0, 0, 0, 0, 0,
  ])
})

it('is much smaller than what it holds', async () => {
  const path = join(await temporaryDirectory(), 'a.backup')
  const payload = Buffer.from(JSON.stringify({ zone: 'demo.test', values: ['10.0.0.1'], ttl: 300 }).repeat(4))
  const count = 20_000
  const entries = numbered(Array.from({ length: count }, () => ({ term: 1, kind: 'data', payload })))
  const head: BackupHead = { format: 1, clusterId: 'c', history: 'h', revision: count, createdAt: 0 }
  await writeFile(path, await backupOf(head, entries, { entries: count, layout: '', digests: [] }))
  expect(count * payload.length).toBeGreaterThan(3 * BLOCK_BYTES)
  expect((await stat(path)).size).toBeLessThan((count * payload.length) / 20)
})
