import { findLines, type Guard } from '../guard.ts'

const SKIP =
  /\b(?:test|it|describe|suite|bench|context|ctx|task)(?:\.\w+)*\.(?:skip|only|todo|skipIf|runIf|fails)\b/

/** Every test runs, everywhere: what it needs and does not find makes it fail. */
export const skipsGuard: Guard = {
  name: 'skips',
  find: ({ files }) =>
    files
      .filter(({ path }) => path.endsWith('.test.ts') && !path.startsWith('proofs/surface/'))
      .flatMap((file) => findLines(file, SKIP, 'a test that does not always run')),
}
