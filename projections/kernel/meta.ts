import type { DatabaseSync } from 'node:sqlite'
import { crc32 } from 'node:zlib'

const CHECKSUM_CHARACTERS = 8

/** A value of the table `meta` as it is stored: behind a checksum, for SQLite serves flipped bytes without noticing. */
export function sealMeta(key: string, value: string): string {
  return checksum(key, value) + value
}

/** Undefined where there is none. Throws RangeError when it is not what was stored. */
export function readMeta(database: DatabaseSync, key: string): string | undefined {
  const stored = database.prepare('SELECT value FROM meta WHERE key = ?').get(key)?.['value']
  if (stored === undefined) return undefined
  const text = String(stored)
  const value = text.slice(CHECKSUM_CHARACTERS)
  if (text.slice(0, CHECKSUM_CHARACTERS) !== checksum(key, value))
    throw new RangeError(`what the file says of its ${key} is damaged`)
  return value
}

function checksum(key: string, value: string): string {
  return crc32(`${key}\0${value}`).toString(16).padStart(CHECKSUM_CHARACTERS, '0')
}
