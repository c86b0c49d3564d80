import {
  decodeHeader,
  type GroupHeader,
  groupSectors,
  isZero,
  restoreGroup,
  sectorBytes,
} from './wal-group.ts'

/** Groups of a write-ahead file from its start on, and what is behind the last of them. */
export interface FileScan {
  readonly groups: readonly { readonly header: GroupHeader; readonly offset: number }[]
  /** Where the next group belongs. */
  readonly end: number
  /** A group at `end` that a crash left unfinished. */
  readonly torn: GroupHeader | undefined
  /** What is not zero behind `end`, as far as there is anything, from `end` on. */
  readonly remains: number
  /** Why what is at `end` is neither nothing nor unfinished; undefined when it is. */
  readonly damage: string | undefined
}

/**
 * Reads the groups of a file and tells torn from damaged, as etcd's write-ahead log does: what is at the end is torn only when a
 * sector of it was never written, and nothing valid follows it. The groups are restored in place.
 */
export function scanFile(content: Buffer, seed: number): FileScan {
  const groups: { header: GroupHeader; offset: number }[] = []
  let offset = 0
  for (;;) {
    const header = decodeHeader(content, offset, seed)
    if (header === undefined) return { groups, ...behind(content, offset, seed) }
    const state = restoreGroup(content, offset, header, seed)
    if (state === 'damaged')
      return { groups, end: offset, torn: undefined, remains: 0, damage: 'checksum does not match' }
    if (state === 'torn') {
      const found = behind(content, offset, seed)
      return { groups, ...found, torn: header }
    }
    groups.push({ header, offset })
    offset += groupSectors(header) * sectorBytes
  }
}

type Behind = Omit<FileScan, 'groups'>

/** What is at `end` and behind it, where no whole group begins. */
function behind(content: Buffer, end: number, seed: number): Behind {
  const found = { end, torn: undefined, remains: 0 }
  const isTorn = decodeHeader(content, end, seed) !== undefined
  const next = Math.min(end + sectorBytes, content.length)
  if (!isTorn && !isZero(content, end, next)) return { ...found, damage: 'checksum does not match' }
  let last = isTorn ? next : end
  for (let offset = next; offset < content.length; offset += sectorBytes) {
    if (isZero(content, offset, Math.min(offset + sectorBytes, content.length))) continue
    last = Math.min(offset + sectorBytes, content.length)
    const later = decodeHeader(content, offset, seed)
    if (later !== undefined) return { ...found, damage: `it is gone, and what was written after it is there` }
  }
  return { ...found, remains: last - end, damage: undefined }
}
