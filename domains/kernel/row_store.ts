import { hash } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { type DiskLimits, type DiskMeta, DiskTable } from './disk_table.ts'
import { MemoryRows } from './memory_rows.ts'
import { NO_ORIGIN, type Origin, originOf } from './origin.ts'
import { RowDisk } from './row_disk.ts'
import type { State } from './state.ts'
import { META, type Meta, NO_ROWS, type RowsMeta } from './stored_rows.ts'
import type { Table, Write } from './table.ts'

/** Rows wait in memory for at most this many, or this many bytes of entries, or this long; then they are written, one batch at a time. */
const WAITING_MAX = 4096
const WAITING_BYTES_MAX = 16 << 20
const DELAY_MS = 50
/** Raised when rows are kept otherwise. */
const LAYOUT = 4
/** After the start, and after each scrub of all rows, the next one begins so much later. */
const FIRST_SCRUB_MS = 60_000
const SCRUB_MS = 6 * 60 * 60 * 1000

type Rows = MemoryRows | DiskTable<object, string>

/** Between two steps of a scrub, so that it takes a small part of the processor. */
const SCRUB_PAUSE_MS = 5

const LIMITS: DiskLimits = {
  rowCacheBytes: 64 << 20,
  pageKeys: 128,
  pageCacheBytes: 16 << 20,
  changedKeysMax: 32_768,
}

/** What the rows on disk are the state of. */
export interface Applied {
  readonly revision: number
  /** The time of that entry in milliseconds since 1970. */
  readonly time: number
}

function nothing(layout: string): Meta {
  return { revision: 0, time: 0, origin: NO_ORIGIN, layout, tables: {} }
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
  readonly #disk: RowDisk
  readonly #rows: ReadonlyMap<unknown, Rows>
  readonly #onError: (error: Error) => void
  #meta: Meta
  #applied: Applied
  #origin: { readonly revision: number; readonly payload: Uint8Array } | undefined
  #waiting = 0
  #waitingBytes = 0
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> | undefined
  #failure: Error | undefined
  #scrubTimer: NodeJS.Timeout | undefined
  #scrubbing: Promise<void> | undefined
  #closing = false

  private constructor(
    disk: RowDisk,
    rows: ReadonlyMap<unknown, Rows>,
    meta: Meta,
    onError: (error: Error) => void,
  ) {
    this.#disk = disk
    this.#rows = rows
    this.#meta = meta
    this.#applied = meta
    this.#onError = onError
    this.#scrubLater(FIRST_SCRUB_MS)
  }

  /**
   * Opens the rows in a directory for an empty state: those of tables in memory are loaded, of the others the directories of their
   * keys. Damaged rows are thrown away, all of them, and `repaired` says why: the log has the truth, and is replayed from the start.
   * `onError` is called once, when a write fails.
   */
  static async open(
    directory: string,
    state: Pick<State, 'tables'>,
    onError: (error: Error) => void,
    limits = LIMITS,
  ): Promise<OpenedRows> {
    const rows = storedRows(state)
    const kinds = [...rows.values()].map((each) => `${each.name} ${each instanceof DiskTable}`).toSorted()
    const layout = hash('sha256', JSON.stringify([LAYOUT, kinds]))
    const opened = await RowDisk.open(directory)
    const { disk } = opened
    for (const each of rows.values()) if (each instanceof DiskTable) each.attach(disk, limits)
    let repaired = opened.damage
    let meta = nothing(layout)
    try {
      meta = await load(disk, rows.values(), layout)
    } catch (error) {
      repaired = error instanceof Error ? error.message : String(error)
      await disk.remake()
      for (const each of rows.values()) each.clear()
    }
    await disk.loaded()
    const { revision, time, origin } = meta
    return { store: new RowStore(disk, rows, meta, onError), applied: { revision, time }, origin, repaired }
  }

  /** What was found damaged since the rows were opened or cleared. */
  get damage(): Error | undefined {
    return this.#disk.damage
  }

  /** Has a listener told, in a turn of its own, when rows are found damaged that were not read at the start. It is to clear all. */
  whenDamaged(listener: (error: Error) => void): void {
    this.#disk.whenDamaged(listener)
  }

  /**
   * Queues the rows that one applied entry wrote; `payload` is null for a no-op. Does nothing once a write has failed. Throws a
   * Rejection where what is on disk turns out to be damaged.
   */
  write(writes: readonly Write[], applied: Applied, payload: Uint8Array | null): void {
    if (this.#failure !== undefined) return
    for (const write of writes) this.#waiting += (this.#rows.get(write.table) as Rows).queue(write)
    this.#applied = applied
    if (payload !== null) {
      this.#waitingBytes += payload.length
      this.#origin = { revision: applied.revision, payload }
    }
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

  /** Throws all rows away: they were of another log, or damaged. */
  clear(): void {
    for (const rows of this.#rows.values()) rows.clear()
    this.#waiting = 0
    this.#waitingBytes = 0
    this.#origin = undefined
    this.#meta = nothing(this.#meta.layout)
    this.#applied = this.#meta
    const cleared = this.#disk.clear(this.#writing)
    this.#run(() => cleared)
  }

  /** Verifies the files, then reads all that is on disk, slowly, and compares it with what was written. What is found damaged is told to the listener. */
  scrub(): Promise<void> {
    this.#scrubbing ??= this.#scrub().finally(() => {
      this.#scrubbing = undefined
    })
    return this.#scrubbing
  }

  async #scrub(): Promise<void> {
    await this.#disk.verify(() => delay(SCRUB_PAUSE_MS, !this.#closing))
    for (const rows of this.#rows.values()) {
      const steps = rows.scrub(this.#disk)
      try {
        for (let done: boolean | undefined; done !== true; await delay(SCRUB_PAUSE_MS)) {
          while (this.#writing !== undefined) await this.#writing
          if (this.#closing || this.#failure !== undefined || this.damage !== undefined) return
          done = steps.next().done
        }
      } catch {
        return
      } finally {
        steps.return(undefined)
      }
    }
  }

  /** Writes what is queued and closes the files, these also when a write fails. */
  async close(): Promise<void> {
    this.#closing = true
    clearTimeout(this.#timer)
    clearTimeout(this.#scrubTimer)
    try {
      await this.#scrubbing
      await this.flush()
    } finally {
      clearTimeout(this.#timer)
      await this.#disk.close()
    }
  }

  get #dirty(): boolean {
    return this.#failure === undefined && this.#applied.revision !== this.#meta.revision
  }

  get #full(): boolean {
    return this.#waiting >= WAITING_MAX || this.#waitingBytes >= WAITING_BYTES_MAX
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#start(), DELAY_MS)
  }

  /** Begins to write what is queued, unless a batch is under way: then more is queued, a row at most once. */
  #start(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    if (this.#writing !== undefined || !this.#dirty) return
    this.#run(() => this.#writeBatch())
  }

  #run(write: () => Promise<void>): void {
    const writing = write()
      .catch((error: unknown) => {
        this.#failure = error instanceof Error ? error : new Error(String(error))
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

  async #writeBatch(): Promise<void> {
    const { layout } = this.#meta
    const origin =
      this.#origin === undefined ? this.#meta.origin : originOf(this.#origin.revision, this.#origin.payload)
    const batch = this.#disk.batch()
    const tables: Record<string, RowsMeta> = {}
    for (const each of this.#rows.values()) {
      const meta = each.write(batch)
      if (meta !== NO_ROWS) tables[each.name] = meta
    }
    this.#waiting = 0
    this.#waitingBytes = 0
    this.#origin = undefined
    this.#meta = { ...this.#applied, origin, layout, tables }
    batch.put(META, JSON.stringify(this.#meta))
    await batch.write()
    for (const each of this.#rows.values()) each.written()
  }

  #scrubLater(milliseconds: number): void {
    const next = async (): Promise<void> => {
      await this.scrub()
      if (!this.#closing) this.#scrubLater(SCRUB_MS)
    }
    this.#scrubTimer = setTimeout(() => void next(), milliseconds).unref()
  }
}

function storedRows(state: Pick<State, 'tables'>): ReadonlyMap<unknown, Rows> {
  const tables = [...state.tables.values()] as unknown[]
  return new Map(
    tables.map((table) => [
      table,
      table instanceof DiskTable ? (table as DiskTable<object, string>) : new MemoryRows(table as Table),
    ]),
  )
}

/** Throws where what is on disk is not what this build wrote; nothing is then loaded into tables in memory. */
async function load(disk: RowDisk, all: Iterable<Rows>, layout: string): Promise<Meta> {
  const stored = disk.read(META)
  const meta = stored === undefined ? nothing(layout) : (JSON.parse(stored.text) as Meta)
  if (meta.layout !== layout) throw new Error('the rows were made by another build')
  const loaded: (() => void)[] = []
  for (const rows of all) {
    const known = meta.tables[rows.name]
    if (rows instanceof MemoryRows) loaded.push(await rows.load(disk, known ?? NO_ROWS))
    else if (known !== undefined) await rows.load(disk, known as DiskMeta)
  }
  for (const each of loaded) each()
  return meta
}
