import { findLines, type Guard } from '../guard.ts'

const MARKER = /\b(?:TODO|FIXME|XXX)\b/

/** No marker of work left for later, in any file. The guards and their test name what they look for. */
export const unfinishedGuard: Guard = {
  name: 'unfinished',
  find: ({ files }) =>
    files
      .filter(({ path }) => !path.startsWith('proofs/surface/') && path !== 'package-lock.json')
      .flatMap((file) => findLines(file, MARKER, 'work left for later')),
}
