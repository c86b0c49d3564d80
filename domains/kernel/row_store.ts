import { crc32 } from 'node:zlib'
import { ClassicLevel } from 'classic-level'
import type { State } from './state.ts'
import type { Write } from './table.ts'

/** Rows wait in memory for at most this many keys, then they are written. */
const PENDING_MAX = 4096
const DELAY_MS = 50

/** What the rows on disk are the state of. */
export interface Applied {
  readonly revision: number
  /** The time of that entry in milliseconds since 1970. */
  readonly time: number
}

interface Meta extends Applied {
  readonly rows: number
  /** The sum of the rows' checksums, below 2^53: a row that vanished or came back is noticed. */
  readonly checksum: number
}

const META = 'meta'
const NOTHING: Meta = { revision: 0, time: 0, rows: 0, checksum: 0 }
const MODULUS = 2 ** 52

/**
 * The rows of all tables as of one applied index, each with a checksum. It needs no sync: it is made from the log, a write is
 * atomic, and whatever is missing after a crash is replayed.
 */
export class RowStore {
  readonly #database: ClassicLevel
  #meta: Meta
  #pending = new Map<string, { before: string | undefined; after: string | undefined }>()
  #applied: Applied
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()
  readonly #onError: (error: Error) => void

  private constructor(database: ClassicLevel, meta: Meta, onError: (error: Error) => void) {
    this.#database = database
    this.#meta = meta
    this.#applied = meta
    this.#onError = onError
  }

  /**
   * Opens the rows in a directory and loads them into an empty state. Damaged rows are thrown away, all of them, and `repaired`
   * says why: the log has the truth, and is replayed from the start.
   */
  static async open(
    directory: string,
    state: State,
    onError: (error: Error) => void,
  ): Promise<{ store: RowStore; applied: Applied; repaired: string | undefined }> {
    let { database, damage: repaired } = await openDatabase(directory)
    const { meta, damage } = await load(database, state)
    if (damage !== undefined) {
      await database.close()
      await ClassicLevel.destroy(directory)
      database = (await openDatabase(directory)).database
      repaired = damage
    }
    const store = new RowStore(database, meta, onError)
    return { store, applied: meta, repaired }
  }

  /** Queues the rows that one applied entry wrote. */
  write(writes: readonly Write[], applied: Applied): void {
    for (const { table, key, before, after } of writes) {
      const at = `${table.name}\0${key}`
      const pending = this.#pending.get(at)
      const encoded = after === undefined ? undefined : JSON.stringify(after)
      if (pending === undefined)
        this.#pending.set(at, {
          before: before === undefined ? undefined : JSON.stringify(before),
          after: encoded,
        })
      else pending.after = encoded
    }
    this.#applied = applied
    if (this.#pending.size >= PENDING_MAX) this.flush().catch(this.#onError)
    else this.#timer ??= setTimeout(() => void this.flush().catch(this.#onError), DELAY_MS)
  }

  /** Writes what is queued. Rejects when the disk does. */
  flush(): Promise<void> {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#applied.revision === this.#meta.revision) return this.#writing
    let { rows, checksum } = this.#meta
    const batch = this.#database.batch()
    for (const [at, { before, after }] of this.#pending) {
      if (before !== undefined) {
        rows--
        checksum -= crc32(at + before)
      }
      if (after === undefined) {
        if (before !== undefined) batch.del(`row\0${at}`)
        continue
      }
      const sum = crc32(at + after)
      rows++
      checksum += sum
      batch.put(`row\0${at}`, sum.toString(16).padStart(8, '0') + after)
    }
    this.#pending = new Map()
    this.#meta = { ...this.#applied, rows, checksum: ((checksum % MODULUS) + MODULUS) % MODULUS }
    const meta = JSON.stringify(this.#meta)
    batch.put(META, crc32(meta).toString(16).padStart(8, '0') + meta)
    this.#writing = this.#writing.then(() => batch.write())
    return this.#writing
  }

  async close(): Promise<void> {
    await this.flush()
    await this.#database.close()
  }
}

async function openDatabase(
  directory: string,
): Promise<{ database: ClassicLevel; damage: string | undefined }> {
  const database = new ClassicLevel(directory)
  try {
    await database.open()
    return { database, damage: undefined }
  } catch (error) {
    const cause = (error as { cause?: { code?: string; message?: string } }).cause
    if (cause?.code !== 'LEVEL_CORRUPTION') throw error
    await ClassicLevel.destroy(directory)
    const fresh = new ClassicLevel(directory)
    await fresh.open()
    return { database: fresh, damage: cause.message ?? 'the database is corrupt' }
  }
}

async function load(
  database: ClassicLevel,
  state: State,
): Promise<{ meta: Meta; damage: string | undefined }> {
  try {
    const encoded = await database.get(META)
    const meta = encoded === undefined ? NOTHING : (JSON.parse(checked(META, encoded, '')) as Meta)
    let rows = 0
    let checksum = 0
    const restored: (() => void)[] = []
    const iterator = database.iterator({ gt: 'row\0', lt: 'row\x01', highWaterMarkBytes: 1 << 20 })
    for (let batch = await iterator.nextv(1000); batch.length > 0; batch = await iterator.nextv(1000)) {
      for (const [key, value] of batch) {
        const at = key.slice(4)
        const row = checked(key, value, at)
        rows++
        checksum = (checksum + crc32(at + row)) % MODULUS
        const end = at.indexOf('\0')
        const table = at.slice(0, end)
        const rowKey = at.slice(end + 1)
        const target = state.tables.get(table)
        if (target === undefined)
          throw new Error(`the rows hold a table ${table} that this build does not know`)
        const restoredRow = JSON.parse(row) as object
        restored.push(() => target.restore(rowKey, restoredRow))
      }
    }
    await iterator.close()
    if (rows !== meta.rows || checksum !== meta.checksum)
      throw new Error(`${meta.rows} rows were written, ${rows} other ones are there`)
    for (const restore of restored) restore()
    return { meta, damage: undefined }
  } catch (error) {
    return { meta: NOTHING, damage: error instanceof Error ? error.message : String(error) }
  }
}

function checked(key: string, value: string, at: string): string {
  const text = value.slice(8)
  if (crc32(at + text) !== Number.parseInt(value.slice(0, 8), 16))
    throw new Error(`row ${JSON.stringify(key)} has another checksum`)
  return text
}
