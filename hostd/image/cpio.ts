/** A member of an initramfs: a file when it has content, a symbolic link when it has a target, else a directory. */
export interface ArchiveMember {
  readonly path: string
  readonly mode?: number
  readonly content?: Uint8Array
  readonly target?: string
}

const trailer = 'TRAILER!!!'
const fileTypes = { directory: 0o040000, file: 0o100000, link: 0o120000 }

/**
 * Writes a cpio archive in the "newc" format that Linux unpacks as its initial root.
 *
 * The bytes depend on the members alone (no times, owners or inode numbers of this machine), so equal inputs give an
 * equal digest. Source: Documentation/driver-api/early-userspace/buffer-format.rst in Linux.
 */
export function writeCpioArchive(members: readonly ArchiveMember[]): Buffer {
  const chunks: Buffer[] = []
  members.forEach((member, index) => {
    const content = Buffer.from(member.content ?? (member.target === undefined ? '' : member.target))
    chunks.push(
      header(member.path, index + 1, modeOf(member), content.length),
      content,
      padding(content.length),
    )
  })
  chunks.push(header(trailer, 0, 0, 0))
  return Buffer.concat(chunks)
}

function modeOf(member: ArchiveMember): number {
  if (member.target !== undefined) return fileTypes.link | 0o777
  if (member.content !== undefined) return fileTypes.file | (member.mode ?? 0o644)
  return fileTypes.directory | (member.mode ?? 0o755)
}

function header(path: string, inode: number, mode: number, size: number): Buffer {
  const name = Buffer.from(`${path}\0`)
  const fields = {
    inode,
    mode,
    owner: 0,
    group: 0,
    links: 1,
    modifiedSeconds: 0,
    size,
    deviceMajor: 0,
    deviceMinor: 0,
    rawDeviceMajor: 0,
    rawDeviceMinor: 0,
    nameSize: name.length,
    checksum: 0,
  }
  const text = Object.values(fields)
    .map((field) => field.toString(16).padStart(8, '0'))
    .join('')
  const start = Buffer.concat([Buffer.from(`070701${text}`), name])
  return Buffer.concat([start, padding(start.length)])
}

function padding(length: number): Buffer {
  return Buffer.alloc((4 - (length % 4)) % 4)
}
