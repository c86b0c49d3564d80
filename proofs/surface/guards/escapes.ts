import { findLines, type Guard } from '../guard.ts'

const ESCAPE = /\bas any\b|@ts-(?:ignore|expect-error|nocheck)\b|(?:oxlint|eslint|biome)-(?:disable|ignore)/

/** No way around the compiler and the linter. The guards and their test name what they look for. */
export const escapesGuard: Guard = {
  name: 'escapes',
  find: ({ files }) =>
    files
      .filter(({ path }) => path.endsWith('.ts') && !path.startsWith('proofs/surface/'))
      .flatMap((file) => findLines(file, ESCAPE, 'a way around the checks')),
}
