import { hash } from 'node:crypto'
import { rm } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { ClassicLevel } from 'classic-level'
import { NO_ORIGIN, type Origin, originOf } from './origin.ts'
import type { State } from './state.ts'
import type { Write } from './table.ts'

/** Rows wait in memory for at most this many keys or characters, or this long; then they are written, one batch at a time. */
const PENDING_MAX = 4096
const PENDING_CHARACTERS_MAX = 16 << 20
const DELAY_MS = 50
/** Raised when the kernel's own tables are kept otherwise. */
const LAYOUT = 3

/** What the rows on disk are the state of. */
export interface Applied {
  readonly revision: number
  /** The time of that entry in milliseconds since 1970. */
  readonly time: number
}

interface Meta extends Applied {
  readonly origin: Origin
  /** Of the build that wrote the rows. */
  readonly layout: string
  readonly rows: number
  /** The sum of the rows' checksums modulo 2^52: a row that vanished or came back is noticed. */
  readonly checksum: number
}

interface Queued {
  /** As it is on disk, or will be once the batch under way is written. */
  readonly before: string | undefined
  after: string | undefined
}

const META = 'meta'
const MODULUS = 2 ** 52

function nothing(layout: string): Meta {
  return { revision: 0, time: 0, origin: NO_ORIGIN, layout, rows: 0, checksum: 0 }
}

export interface OpenedRows {
  readonly store: RowStore
  readonly applied: Applied
  readonly origin: Origin
  /** Why the rows were thrown away; undefined when they were sound. */
  readonly repaired: string | undefined
}

/**
 * The rows of all tables as of one applied index, each with a checksum. It needs no sync: it is made from the log, a write is
 * atomic, and whatever is missing after a crash is replayed.
 */
export class RowStore {
  readonly #database: ClassicLevel
  readonly #onError: (error: Error) => void
  #meta: Meta
  #applied: Applied
  #origin: { readonly revision: number; readonly payload: Uint8Array } | undefined
  #pending = new Map<string, Queued>()
  #characters = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #failure: Error | undefined

  private constructor(database: ClassicLevel, meta: Meta, onError: (error: Error) => void) {
    this.#database = database
    this.#meta = meta
    this.#applied = meta
    this.#onError = onError
  }

  /**
   * Opens the rows in a directory and loads them into an empty state. Damaged rows are thrown away, all of them, and `repaired`
   * says why: the log has the truth, and is replayed from the start. `onError` is called once, when a write fails.
   */
  static async open(directory: string, state: State, onError: (error: Error) => void): Promise<OpenedRows> {
    const layout = hash('sha256', JSON.stringify([LAYOUT, [...state.tables.keys()].sort()]))
    let { database, damage: repaired } = await openDatabase(directory)
    const { meta, damage } = await load(database, state, layout)
    if (damage !== undefined) {
      await database.close()
      database = await makeDatabase(directory)
      repaired = damage
    }
    const { revision, time, origin } = meta
    return { store: new RowStore(database, meta, onError), applied: { revision, time }, origin, repaired }
  }

  /** Queues the rows that one applied entry wrote; `payload` is null for a no-op. Does nothing once a write has failed. */
  write(writes: readonly Write[], applied: Applied, payload: Uint8Array | null): void {
    if (this.#failure !== undefined) return
    for (const { table, key, before, after } of writes) {
      const at = `${table.name}\0${key}`
      const encoded = after === undefined ? undefined : JSON.stringify(after)
      this.#characters += at.length + (encoded?.length ?? 0)
      const queued = this.#pending.get(at)
      if (queued !== undefined) queued.after = encoded
      else
        this.#pending.set(at, {
          before: before === undefined ? undefined : JSON.stringify(before),
          after: encoded,
        })
    }
    this.#applied = applied
    if (payload !== null) this.#origin = { revision: applied.revision, payload }
    if (this.#full) this.#start()
    else this.#arm()
  }

  /** Writes what is queued. Rejects when the disk does. */
  async flush(): Promise<void> {
    while (this.#writing !== undefined || this.#dirty) {
      this.#start()
      await this.#writing
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Throws all rows away: they were of another log. */
  clear(): void {
    this.#pending.clear()
    this.#characters = 0
    this.#origin = undefined
    this.#meta = nothing(this.#meta.layout)
    this.#applied = this.#meta
    const earlier = this.#writing
    this.#run(async () => {
      await earlier
      await this.#database.clear()
    })
  }

  /** Writes what is queued and closes the files, these also when a write fails. */
  async close(): Promise<void> {
    clearTimeout(this.#timer)
    try {
      await this.flush()
    } finally {
      clearTimeout(this.#timer)
      await this.#database.close()
    }
  }

  get #dirty(): boolean {
    return this.#failure === undefined && this.#applied.revision !== this.#meta.revision
  }

  get #full(): boolean {
    return this.#pending.size >= PENDING_MAX || this.#characters >= PENDING_CHARACTERS_MAX
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#start(), DELAY_MS)
  }

  /** Begins to write what is queued, unless a batch is under way: then more is queued, a row at most once. */
  #start(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#writing !== undefined || !this.#dirty) return
    this.#run(async () => this.#takeBatch().write())
  }

  #run(write: () => Promise<void>): void {
    const writing = write()
      .catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error))
        this.#pending.clear()
        this.#onError(this.#failure)
      })
      .then(() => {
        if (this.#writing !== writing) return
        this.#writing = undefined
        if (this.#full) this.#start()
        else if (this.#dirty) this.#arm()
      })
    this.#writing = writing
  }

  #takeBatch() {
    let { rows, checksum, layout, origin } = this.#meta
    const batch = this.#database.batch()
    for (const [at, { before, after }] of this.#pending) {
      if (before !== undefined) {
        rows--
        checksum = (checksum - crc32(at + before) + MODULUS) % MODULUS
        if (after === undefined) batch.del(`row\0${at}`)
      }
      if (after === undefined) continue
      const sum = crc32(at + after)
      rows++
      checksum = (checksum + sum) % MODULUS
      batch.put(`row\0${at}`, sum.toString(16).padStart(8, '0') + after)
    }
    if (this.#origin !== undefined) origin = originOf(this.#origin.revision, this.#origin.payload)
    this.#pending = new Map()
    this.#characters = 0
    this.#origin = undefined
    this.#meta = { ...this.#applied, origin, layout, rows, checksum }
    const meta = JSON.stringify(this.#meta)
    batch.put(META, crc32(meta).toString(16).padStart(8, '0') + meta)
    return batch
  }
}

/** Whatever keeps LevelDB from reading its files is damage, unless somebody else has them open. */
async function openDatabase(
  directory: string,
): Promise<{ database: ClassicLevel; damage: string | undefined }> {
  const database = new ClassicLevel(directory)
  try {
    await database.open()
    return { database, damage: undefined }
  } catch (error) {
    const { cause } = error as { cause?: { code?: string; message?: string } }
    if (cause?.code === 'LEVEL_LOCKED') throw error
    return { database: await makeDatabase(directory), damage: cause?.message ?? String(error) }
  }
}

async function makeDatabase(directory: string): Promise<ClassicLevel> {
  await rm(directory, { recursive: true, force: true })
  const database = new ClassicLevel(directory)
  await database.open()
  return database
}

async function load(
  database: ClassicLevel,
  state: State,
  layout: string,
): Promise<{ meta: Meta; damage: string | undefined }> {
  try {
    const encoded = await database.get(META)
    const meta = encoded === undefined ? nothing(layout) : (JSON.parse(checked(META, encoded, '')) as Meta)
    if (meta.layout !== layout) throw new Error('the rows were made by another build')
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
        const target = state.tables.get(table)
        if (target === undefined)
          throw new Error(`the rows hold a table ${table} that this build does not know`)
        const restoredRow = JSON.parse(row) as object
        restored.push(() => target.restore(at.slice(end + 1), restoredRow))
      }
    }
    await iterator.close()
    if (rows !== meta.rows || checksum !== meta.checksum)
      throw new Error(`${meta.rows} rows were written, ${rows} other ones are there`)
    for (const restore of restored) restore()
    return { meta, damage: undefined }
  } catch (error) {
    return { meta: nothing(layout), damage: error instanceof Error ? error.message : String(error) }
  }
}

function checked(key: string, value: string, at: string): string {
  const text = value.slice(8)
  if (crc32(at + text) !== Number.parseInt(value.slice(0, 8), 16))
    throw new Error(`row ${JSON.stringify(key)} has another checksum`)
  return text
}
