import type { Entry } from '../raft/types.ts'
import { checkRecord, decodeVerified, recordLengthAt, termOf } from './entry.ts'
import type { FrameRow } from './segment-format.ts'

/**
 * The records of one decompressed frame, each of them verified. Entries are made when they are asked for, so that a frame
 * which is kept is one piece of memory, and not thousands of objects.
 */
export class Frame {
  readonly #raw: Buffer
  readonly #firstIndex: number
  /** Where each record begins, and where the last one ends. */
  readonly #offsets: Uint32Array

  /** Throws RangeError when the records are not those of `row`, whole, contiguous and linked. */
  static check(row: FrameRow, raw: Buffer): Frame {
    return new Frame(row, raw)
  }

  /** As `check`. */
  constructor(row: FrameRow, raw: Buffer) {
    this.#raw = raw
    this.#firstIndex = row.firstIndex
    this.#offsets = new Uint32Array(row.count + 1)
    let offset = 0
    let crc = raw.length < 8 ? 0 : raw.readUInt32BE(4)
    for (let position = 0; position < row.count; position += 1) {
      const end = offset + recordLengthAt(raw, offset)
      if (end > raw.length) throw new RangeError('record is cut short')
      crc = checkRecord(raw, offset, end, row.firstIndex + position, crc)
      offset = end
      this.#offsets[position + 1] = offset
    }
    if (offset !== raw.length) throw new RangeError('frame holds more than its entries')
  }

  get count(): number {
    return this.#offsets.length - 1
  }

  get lastIndex(): number {
    return this.#firstIndex + this.count - 1
  }

  /** The CRC of the record before the first. */
  get previousCrc(): number {
    return this.#raw.readUInt32BE(4)
  }

  get lastCrc(): number {
    return this.crcAt(this.lastIndex)
  }

  entryAt(index: number): Entry {
    return decodeVerified(this.#raw, this.#offsetOf(index), this.#offsetOf(index + 1))
  }

  crcAt(index: number): number {
    return this.#raw.readUInt32BE(this.#offsetOf(index))
  }

  termAt(index: number): number {
    return termOf(this.#raw, this.#offsetOf(index))
  }

  #offsetOf(index: number): number {
    const offset = this.#offsets[index - this.#firstIndex]
    if (offset === undefined) throw new RangeError(`index ${index} is not in the frame`)
    return offset
  }
}
