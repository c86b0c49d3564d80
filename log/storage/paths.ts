import { join } from 'node:path'

export function tailDirectory(directory: string): string {
  return join(directory, 'log')
}

export function markPath(directory: string): string {
  return join(directory, 'high-water-mark')
}
