import type { DatabaseSync } from 'node:sqlite'
import { crc32c } from '../../domains/kernel/crc32c.ts'
import { reject } from '../../domains/kernel/rejection.ts'
import type { Progress } from '../../domains/kv/contract.ts'
import type { HashAnswer } from './queries.ts'

/** Versions that are hashed in one turn of the event loop, at most. */
const AT_ONCE = 1000
/** Where these have more bytes, fewer are hashed. */
const BYTES_AT_ONCE = 4 << 20
const FEW_AT_ONCE = 20
const ATTEMPTS_MAX = 3

/** What is hashed of a version, as bytes. */
const HASHED = `CAST(v.revision || ' ' || v.sub || ' ' || v.create_revision || ' ' || v.version || ' ' || v.lease || ' ' ||
  iif(v.value IS NULL, '-', '+') || v.key || coalesce(v.value, '') AS BLOB)`
const NEXT = `FROM key_version v WHERE (v.revision, v.sub) > ($revision, $sub) AND v.revision <= $upTo
  ORDER BY v.revision, v.sub`
/** The last of some places, as text that sorts as they do. */
const LAST = "max(format('%016d %016d', revision, sub))"

/** Hashes all versions up to a revision, with turns of the event loop in between; anew when a compaction takes some away meanwhile. */
export async function hashVersions(
  database: DatabaseSync,
  revision: number,
  progress: () => Progress,
): Promise<HashAnswer> {
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    const { compacted } = progress()
    let hash = 0
    for (const step of hashes(database, revision)) {
      hash = step
      await new Promise((resolve) => setImmediate(resolve))
      if (progress().compacted !== compacted) break
    }
    if (progress().compacted === compacted) return { hash, compacted }
  }
  return reject('UNAVAILABLE', 'the history of keys is compacted too often to be hashed: try again later')
}

/** The hash of the first versions, of more of them, and so on up to all. */
function* hashes(database: DatabaseSync, upTo: number): Generator<number> {
  const sizes = database.prepare(
    `SELECT coalesce(sum(bytes), 0) AS bytes FROM
      (SELECT length(v.key) + coalesce(length(v.value), 0) AS bytes ${NEXT} LIMIT ${AT_ONCE})`,
  )
  const some = (limit: number) =>
    database.prepare(
      `SELECT CAST(group_concat(hashed, '') AS BLOB) AS hashed, ${LAST} AS last
        FROM (SELECT v.revision, v.sub, ${HASHED} AS hashed ${NEXT} LIMIT ${limit})`,
    )
  const many = some(AT_ONCE)
  const few = some(FEW_AT_ONCE)
  let place = { $revision: 0, $sub: -1 }
  for (let hash = 0; ; yield hash) {
    const after = { ...place, $upTo: upTo }
    const bytes = sizes.get(after)?.['bytes'] as number
    const found = (bytes <= BYTES_AT_ONCE ? many : few).get(after)
    if (found === undefined || found['last'] === null) return
    hash = crc32c(found['hashed'] as Uint8Array, hash)
    const [$revision, $sub] = String(found['last']).split(' ').map(Number)
    place = { $revision: $revision as number, $sub: $sub as number }
  }
}
