import { join } from 'node:path'
import { type Disk, withFile } from './disk.ts'
import { temporarySuffix } from './files.ts'
import { walName } from './paths.ts'
import { sectorBytes } from './wal-group.ts'

const sliceBytes = 256 * 1024
const zeros = Buffer.alloc(sliceBytes)

/** Bytes of the file with this number, which must hold one group of `groupBytes`: twice those of the one before, up to a bound. */
export function walFileBytes({ allocationBytes }: Disk, fileNumber: number, groupBytes: number): number {
  const { first, most } = allocationBytes
  const usual = Math.min(most, first * 2 ** Math.min(fileNumber - 1, 32))
  return Math.max(usual, Math.ceil(groupBytes / sectorBytes) * sectorBytes)
}

/**
 * Makes a write-ahead file that is zeros, really written, behind `start`: writes into it change no metadata of the file
 * system, and what was not written can be told from what was. It appears whole and durable, or not at all.
 */
export async function createWalFile(
  disk: Disk,
  directory: string,
  fileNumber: number,
  bytes: number,
  start: Buffer = Buffer.alloc(0),
): Promise<void> {
  const path = join(directory, walName(fileNumber))
  const temporary = `${path}${temporarySuffix}`
  await withFile(disk, temporary, 'create', async (file) => {
    if (start.length > 0) await file.write(start, 0)
    for (let offset = start.length; offset < bytes; offset += sliceBytes)
      await file.write(zeros.subarray(0, Math.min(sliceBytes, bytes - offset)), offset)
    await file.sync()
  })
  await disk.rename(temporary, path)
  await disk.syncDirectory(directory)
}

/** Makes what is behind `offset` zeros again: a crash left it there, and it was never acknowledged. */
export async function zeroWalFile(disk: Disk, path: string, offset: number, bytes: number): Promise<void> {
  await withFile(disk, path, 'write', async (file) => {
    for (let done = 0; done < bytes; done += sliceBytes)
      await file.write(zeros.subarray(0, Math.min(sliceBytes, bytes - done)), offset + done)
    await file.sync()
  })
}
