import { join } from 'node:path'

/** The write-ahead files: the newest entries, term and vote. */
export function walDirectory(directory: string): string {
  return join(directory, 'wal')
}

export function segmentsDirectory(directory: string): string {
  return join(directory, 'segments')
}

export function markPath(directory: string): string {
  return join(directory, 'high-water-mark')
}

const walSuffix = '.wal'

export function walName(fileNumber: number): string {
  return `${String(fileNumber).padStart(16, '0')}${walSuffix}`
}

/** The number in a write-ahead file's name, or undefined for another file. */
export function walNumber(name: string): number | undefined {
  return /^\d{16}\.wal$/.test(name) ? Number(name.slice(0, -walSuffix.length)) : undefined
}
