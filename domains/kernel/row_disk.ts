import { rm } from 'node:fs/promises'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import { ClassicLevel } from 'classic-level'
import { Rejection } from './rejection.ts'
import { damageOfTables, setUnclosedStarts, unclosedStarts } from './row_starts.ts'

/** A text as it was written, with its checksum. */
export interface Stored {
  readonly text: string
  readonly sum: number
}

type StoredRow = readonly [key: string, stored: Stored]
type Batch = ReturnType<ClassicLevel['batch']>

/**
 * Reading one row uncompresses no block of others. Files are large enough that reads alone, of which LevelDB counts one for every 16 KiB of a
 * file, seldom have it merge them.
 */
const OPTIONS = { compression: false, writeBufferSize: 8 << 20, maxFileSize: 8 << 20 }
/**
 * classic-level reads a key of text through a buffer that grows, and cuts a key that ends within a character of several bytes there
 * without noticing. A first read makes the buffer large enough for every key of so many characters; longer ones go another way.
 */
const PLAIN_KEY_MAX = 1024
const UTF8_BYTES_MAX = 3
const SUM_DIGITS = 8
const CHUNK_ROWS = 256
const CHUNK_BYTES = 256 << 10
/** One `kill -9` costs no start the reading of all files; what ends the process again does. */
const UNCLOSED_MAX = 1

/** Texts by key in LevelDB, each with a checksum that its key goes into. What is damaged is found when it is read, and said once. */
export class RowDisk {
  #database: ClassicLevel
  /** Starts before this one that have not closed the rows, and whose files were not verified since. */
  #unclosed: number
  /** All is being taken out: what is there still does not count. */
  #clearing = 0
  #damage: Error | undefined
  #onDamage: (error: Error) => void = () => undefined

  private constructor(database: ClassicLevel, unclosed: number) {
    this.#database = database
    this.#unclosed = unclosed
    this.#prepare()
  }

  /**
   * Opens the files in a directory, which the caller has for himself. Whatever keeps LevelDB from reading them is damage, unless somebody
   * else has them open. A flipped byte may fail an assertion of LevelDB, which ends the process: files are verified before they are
   * opened when the last start ended before `loaded`, or the last two did not close them.
   */
  static async open(directory: string): Promise<{ disk: RowDisk; damage: string | undefined }> {
    const before = await unclosedStarts(directory)
    const isSuspect = before > UNCLOSED_MAX
    const found = isSuspect ? await damageOfTables(directory, () => nextTurn(true)) : undefined
    if (found !== undefined)
      return RowDisk.#made(directory, `${found}, which may have ended the process that read it before`)
    const unclosed = isSuspect ? 0 : before
    await setUnclosedStarts(directory, unclosed + 2)
    const database = new ClassicLevel(directory, OPTIONS)
    try {
      await database.open()
      return { disk: new RowDisk(database, unclosed), damage: undefined }
    } catch (error) {
      const { cause } = error as { cause?: { code?: string; message?: string } }
      if (cause?.code === 'LEVEL_LOCKED') throw error
      return RowDisk.#made(directory, cause?.message ?? String(error))
    }
  }

  static async #made(directory: string, damage: string): Promise<{ disk: RowDisk; damage: string }> {
    return { disk: new RowDisk(await makeDatabase(directory), 0), damage }
  }

  /** All was read that a start reads. */
  loaded(): Promise<void> {
    return setUnclosedStarts(this.#database.location, this.#unclosed + 1)
  }

  /** Begins anew with empty files. */
  async remake(): Promise<void> {
    const { location } = this.#database
    await this.#database.close()
    this.#database = await makeDatabase(location)
    this.#unclosed = 0
    this.#prepare()
    this.#damage = undefined
    await this.loaded()
  }

  /** Verifies the files, as LevelDB does not when it reads them. What is found damaged is told to the listener. */
  async verify(goesOn: () => Promise<boolean>): Promise<void> {
    const database = this.#database
    const damage = await damageOfTables(database.location, goesOn)
    if (damage !== undefined && database === this.#database && this.#clearing === 0) this.#tell(damage)
  }

  /** What was found damaged; undefined while nothing was. */
  get damage(): Error | undefined {
    return this.#damage
  }

  /** Has a listener told, in a turn of its own, when damage is found. */
  whenDamaged(listener: (error: Error) => void): void {
    this.#onDamage = listener
  }

  /** Undefined where there is nothing. Throws a Rejection for a text that is not what was written. */
  read(key: string): Stored | undefined {
    if (this.#clearing > 0) return undefined
    const stored = this.#get(key)
    return stored === undefined ? undefined : this.#checked(key, stored)
  }

  /**
   * What is between two keys, in the order of the keys' UTF-8, in bounded chunks. Nothing may be written meanwhile: LevelDB 1.20 may then
   * give old values for ever after, when it merges files while a snapshot is held (google/leveldb, issue 320), as an iterator does.
   */
  async *chunks(from: string, to: string): AsyncGenerator<readonly StoredRow[]> {
    const iterator = this.#database.iterator({ gte: from, lt: to, highWaterMarkBytes: CHUNK_BYTES })
    try {
      for (;;) {
        const batch = await iterator.nextv(CHUNK_ROWS)
        if (batch.length === 0) return
        yield batch.map(([key, stored]) => [key, this.#checked(key, stored)] as const)
      }
    } finally {
      await iterator.close()
    }
  }

  batch(): DiskBatch {
    return new DiskBatch(this.#database.batch())
  }

  /** Takes everything out. What is read from the call on is nothing, until something is written. */
  async clear(after: Promise<void> | undefined): Promise<void> {
    this.#damage = undefined
    this.#clearing++
    await after
    await this.remake()
    this.#clearing--
  }

  async close(): Promise<void> {
    this.#onDamage = () => undefined
    const { location } = this.#database
    await this.#database.close()
    await setUnclosedStarts(location, 0)
  }

  /** Throws a Rejection, and has it told that what was read is not what was written. */
  damaged(what: string): never {
    this.#tell(what)
    throw new Rejection(
      'UNAVAILABLE',
      `the rows on disk are damaged, and are made anew from the log: ${what}`,
    )
  }

  #tell(what: string): void {
    if (this.#damage !== undefined) return
    const error = new Error(what)
    this.#damage = error
    setImmediate(() => {
      if (this.#damage === error) this.#onDamage(error)
    })
  }

  #prepare(): void {
    this.#database.getSync('x'.repeat(PLAIN_KEY_MAX * UTF8_BYTES_MAX))
  }

  #get(key: string): string | undefined {
    try {
      return key.length <= PLAIN_KEY_MAX
        ? this.#database.getSync(key)
        : this.#database.getSync(Buffer.from(key), { keyEncoding: 'buffer' })
    } catch (error) {
      return this.damaged(`${JSON.stringify(key)} cannot be read: ${messageOf(error)}`)
    }
  }

  #checked(key: string, stored: string): Stored {
    const text = stored.slice(SUM_DIGITS)
    const sum = checksum(key, text)
    if (sum !== (Number.parseInt(stored.slice(0, SUM_DIGITS), 16) | 0))
      this.damaged(`row ${JSON.stringify(key)} has another checksum`)
    return { text, sum }
  }
}

/** Writes that happen together or not at all. */
export class DiskBatch {
  readonly #batch: Batch

  constructor(batch: Batch) {
    this.#batch = batch
  }

  /** Returns the text's checksum. */
  put(key: string, text: string): number {
    const sum = checksum(key, text)
    this.#batch.put(key, (sum >>> 0).toString(16).padStart(SUM_DIGITS, '0') + text)
    return sum
  }

  delete(key: string): void {
    this.#batch.del(key)
  }

  write(): Promise<void> {
    return this.#batch.write()
  }
}

/** CRC-32 as a signed number: those take no memory of their own. */
function checksum(key: string, text: string): number {
  return crc32(text, crc32(key)) | 0
}

async function makeDatabase(directory: string): Promise<ClassicLevel> {
  await rm(directory, { recursive: true, force: true })
  const database = new ClassicLevel(directory, OPTIONS)
  await database.open()
  return database
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
