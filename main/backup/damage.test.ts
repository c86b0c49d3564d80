import { randomBytes } from 'node:crypto'
import { copyFile, open, readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { zstdCompress } from 'node:zlib'
import * as fc from 'fast-check'
import { beforeAll, describe, expect, it } from 'vitest'
import type { Registry } from '../../domains/kernel/registry.ts'
import { loadDomains } from '../../domains/load.ts'
import { BackupError, CHAIN_BYTES, HEAD_BYTES, link, MAGIC } from './format.ts'
import { restoreBackup } from './restore.ts'
import { backupOf, readAll, SampleCloud, temporaryDirectory } from './testing.ts'

interface Frame {
  readonly type: string
  readonly offset: number
  readonly bytes: number
}

function framesOf(file: Buffer): readonly Frame[] {
  const frames: Frame[] = []
  for (let offset = MAGIC.length; offset < file.length; ) {
    const bytes = HEAD_BYTES + file.readUInt32BE(offset + 1) + CHAIN_BYTES
    frames.push({ type: file.toString('latin1', offset, offset + 1), offset, bytes })
    offset += bytes
  }
  return frames
}

const frame = (type: string, body: Buffer, chain: Buffer): Buffer => {
  const head = Buffer.alloc(HEAD_BYTES)
  head.write(type)
  head.writeUInt32BE(body.length, 1)
  return Buffer.concat([head, body, link(chain, head, body)])
}

let registry: Registry
/** Two blocks of four entries, 300 KiB each, that are not compressible. */
let file: Buffer
let frames: readonly Frame[]

beforeAll(async () => {
  registry = await loadDomains()
  const entries = Array.from({ length: 8 }, (_, at) => ({
    index: at + 1,
    term: 1,
    kind: 'data' as const,
    payload: randomBytes(300 << 10),
  }))
  const head = { format: 1, clusterId: 'c', history: 'h', revision: 8, createdAt: 0 } as const
  file = await backupOf(head, entries, { entries: 8, layout: 'l', digests: [] })
  frames = framesOf(file)
})

async function written(bytes: Buffer): Promise<string> {
  const path = join(await temporaryDirectory(), 'damaged.backup')
  await writeFile(path, bytes)
  return path
}

async function damageOf(path: string): Promise<BackupError> {
  const error: unknown = await readAll(path).then(
    () => undefined,
    (failure: unknown) => failure,
  )
  if (!(error instanceof BackupError)) throw new Error(`no damage was found, but ${String(error)}`)
  return error
}

/** Where damage at a byte must be said to be: the frame around it, and the last entry before that. */
function placeOf(at: number): { readonly offset: number; readonly lastRevision: number } {
  const position = frames.findIndex(({ offset, bytes }) => at >= offset && at < offset + bytes)
  const before = frames.slice(0, Math.max(position, 0)).filter(({ type }) => type === 'B').length
  return { offset: frames[position]?.offset ?? 0, lastRevision: Math.min(before * 4, 8) }
}

function expectPlace(error: BackupError, at: number): void {
  const { offset, lastRevision } = error
  expect({ at, offset, lastRevision }).toEqual({ at, ...placeOf(at) })
  expect(error.message).toContain(`at byte ${offset}`)
}

describe('a backup', () => {
  it('has the frames that these tests damage', () => {
    expect(frames.map(({ type }) => type).join('')).toBe('HBBE')
    expect(placeOf(3)).toEqual({ offset: 0, lastRevision: 0 })
  })

  it('is refused with a flipped bit in each part of each kind of frame', async () => {
    const path = await written(file)
    const parts = frames.flatMap(({ offset, bytes }) => [
      offset,
      ...[1, 2, 3, 4].map((byte) => offset + byte),
      offset + HEAD_BYTES,
      offset + Math.floor(bytes / 2),
      offset + bytes - CHAIN_BYTES,
      offset + bytes - 1,
    ])
    for (const at of [0, MAGIC.length - 1, ...parts])
      for (const bit of [0x01, 0x80]) await withFlipped(path, at, bit, (error) => expectPlace(error, at))
  })

  it('is refused wherever a bit is flipped', async () => {
    const path = await written(file)
    await fc.assert(
      fc.asyncProperty(fc.nat(file.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        await withFlipped(path, at, bits, (error) => expectPlace(error, at))
      }),
      { numRuns: 200 },
    )
    await expect(readAll(path)).resolves.toHaveLength(4)
  })

  it('is refused wherever it ends too early', async () => {
    const path = join(await temporaryDirectory(), 'cut.backup')
    const edges = frames.flatMap(({ offset, bytes }) => [offset, offset + 3, offset + bytes - 1])
    const lengths = fc.sample(fc.nat(file.length - 1), 60)
    for (const length of [0, 3, ...edges, ...lengths]) {
      await writeFile(path, file)
      await truncate(path, length)
      expectPlace(await damageOf(path), length)
    }
  })

  it('is refused with frames left out, doubled or swapped, or with more after its end', async () => {
    const part = (index: number): Buffer => {
      const { offset, bytes } = frames[index] as Frame
      return file.subarray(offset, offset + bytes)
    }
    const [head, first, second, end] = [part(0), part(1), part(2), part(3)]
    const wrong = [
      [first, second, end],
      [head, second, end],
      [head, first, end],
      [head, first, first, second, end],
      [head, second, first, end],
      [head, end],
      [head, head, first, second, end],
      [head, first, second, end, end],
      [head, first, second, end, Buffer.from([0])],
    ]
    for (const order of wrong) {
      const error = await damageOf(await written(Buffer.concat([MAGIC, ...order])))
      expect(error.lastRevision).toBeLessThanOrEqual(8)
    }
    await expect(readAll(await written(Buffer.from('a text, and no backup at all')))).rejects.toThrow(
      'does not begin like a backup',
    )
  })

  it('is refused where the checksums are right and what they are of is not', async () => {
    const none = Buffer.alloc(CHAIN_BYTES)
    const head = frame('H', Buffer.from(headJson(1, 1)), none)
    const next = (type: string, body: Buffer): Buffer => frame(type, body, head.subarray(-CHAIN_BYTES))
    const compress = promisify(zstdCompress)
    const wrong: readonly (readonly [string, readonly Buffer[], string])[] = [
      ['a later format', [frame('H', Buffer.from(headJson(2, 1)), none)], 'its head is not one'],
      ['a head that is no JSON', [frame('H', Buffer.from('{'), none)], 'its head is not one'],
      ['a block that is not compressed', [head, next('B', Buffer.from('abc'))], 'its block of entries'],
      ['a block that ends within an entry', [head, next('B', await compress(Buffer.alloc(10)))], 'its block'],
      [
        'a block that grows beyond the bound',
        [head, next('B', await compress(Buffer.alloc(64 << 20)))],
        'its block of entries',
      ],
      ['an entry of no kind', [head, next('B', await compress(Buffer.alloc(11, 7)))], 'its block of entries'],
      ['an end too early', [head, next('E', Buffer.from(endJson(1)))], '1 entries belong in it, 0 are there'],
      ['a frame of no type', [head, next('X', Buffer.alloc(0))], 'no frame begins here'],
    ]
    for (const [what, parts, problem] of wrong) {
      const error = await damageOf(await written(Buffer.concat([MAGIC, ...parts])))
      expect(error.message, what).toContain(problem)
    }
  })

  it('that is damaged makes no data directory, nor leaves anything behind', async () => {
    const directory = await temporaryDirectory()
    const cloud = SampleCloud.lived(registry, 20)
    const sound = await cloud.backUp(directory)
    const bytes = await readFile(sound)
    for (const at of [2, 40, Math.floor(bytes.length / 2), bytes.length - 3]) {
      const path = join(directory, 'damaged.backup')
      await copyFile(sound, path)
      await flip(path, at, 0xff)
      const options = { registry, directory: join(directory, 'data'), to: undefined, config: {} }
      await expect(restoreBackup(path, { ...options, beginning: undefined })).rejects.toThrow(BackupError)
      expect((await readdir(directory)).sort()).toEqual(['cloud.backup', 'damaged.backup'])
    }
  })
})

const headJson = (format: number, revision: number): string =>
  JSON.stringify({ format, clusterId: 'c', history: 'h', revision, createdAt: 0 })
const endJson = (entries: number): string => JSON.stringify({ entries, layout: '', digests: [] })

async function flip(path: string, at: number, bits: number): Promise<void> {
  const handle = await open(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    await handle.read(byte, 0, 1, at)
    byte.writeUInt8(byte.readUInt8() ^ bits)
    await handle.write(byte, 0, 1, at)
  } finally {
    await handle.close()
  }
}

async function withFlipped(
  path: string,
  at: number,
  bits: number,
  check: (error: BackupError) => void,
): Promise<void> {
  await flip(path, at, bits)
  check(await damageOf(path))
  await flip(path, at, bits)
}
