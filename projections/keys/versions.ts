import type { DatabaseSync } from 'node:sqlite'
import type { KeyValue } from '../../domains/kv/contract.ts'
import { hashOf } from '../kernel/digest.ts'

/** One change of a key: `value` is null where it was deleted. */
export interface Version {
  readonly revision: number
  /** Its place among the changes of the revision. */
  readonly sub: number
  readonly key: Uint8Array
  readonly value: Uint8Array | null
  readonly create_revision: number
  readonly version: number
  readonly lease: string
}

export const COLUMNS = 'v.revision, v.sub, v.key, v.value, v.create_revision, v.version, v.lease'

export function createVersions(database: DatabaseSync): void {
  database.exec(`
    CREATE TABLE IF NOT EXISTS key_version (revision INTEGER NOT NULL, sub INTEGER NOT NULL, key BLOB NOT NULL, value BLOB,
      create_revision INTEGER NOT NULL, version INTEGER NOT NULL, lease TEXT NOT NULL, PRIMARY KEY (revision, sub)) WITHOUT ROWID, STRICT;
    CREATE INDEX IF NOT EXISTS key_version_by_key ON key_version (key, revision, sub);
    CREATE INDEX IF NOT EXISTS key_version_by_lease ON key_version (lease, key) WHERE lease <> '0';`)
}

/** Holds of a version that is the last of its key at or before the revision given by the parameter of that name. */
export const LATEST = `v.revision <= $revision AND NOT EXISTS (SELECT 1 FROM key_version n WHERE n.key = v.key
  AND (n.revision, n.sub) > (v.revision, v.sub) AND n.revision <= $revision)`

/** The condition for keys from `$from` to `$to`, or without an end. */
export function within(to: string | undefined): string {
  return to === undefined ? 'v.key >= $from' : 'v.key >= $from AND v.key < $to'
}

export function bytesOf(text: string): Buffer {
  return Buffer.from(text, 'latin1')
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1')
}

export function keyValueOf(row: Version): KeyValue {
  return {
    key: textOf(row.key),
    value: row.value === null ? '' : textOf(row.value),
    createRevision: row.create_revision,
    modRevision: row.revision,
    version: row.version,
    lease: row.lease,
  }
}

export function keyVersionHash(row: Version): Uint32Array {
  const value = row.value === null ? 'deleted' : `=${textOf(row.value)}`
  const data = `${row.sub} ${row.create_revision} ${row.version} ${row.lease} ${value}`
  return hashOf('key_version', textOf(row.key), row.revision, data)
}
