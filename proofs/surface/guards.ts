import type { Guard } from './guard.ts'
import { escapesGuard } from './guards/escapes.ts'
import { linksGuard } from './guards/links.ts'
import { machineGuard } from './guards/machine.ts'
import { scriptsGuard } from './guards/scripts.ts'
import { sizeGuard } from './guards/size.ts'
import { skipsGuard } from './guards/skips.ts'
import { unfinishedGuard } from './guards/unfinished.ts'
import { untestedGuard } from './guards/untested.ts'
import { wordingGuard } from './guards/wording.ts'

/** Every guard of the surface. A new one is a file in `guards/`, a line here and a planted violation in the test. */
export const guards: readonly Guard[] = [
  unfinishedGuard,
  wordingGuard,
  escapesGuard,
  skipsGuard,
  machineGuard,
  sizeGuard,
  scriptsGuard,
  linksGuard,
  untestedGuard,
]
