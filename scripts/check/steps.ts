import { findAll, formatFinding, readRepository } from '../../proofs/surface/guard.ts'
import { guards } from '../../proofs/surface/guards.ts'
import { importsStep } from './imports.ts'
import { type Step, toolStep } from './step.ts'

const surfaceStep: Step = {
  name: 'surface',
  async run(root) {
    const findings = findAll(guards, await readRepository(root))
    return { passed: findings.length === 0, output: findings.map(formatFinding).join('\n') }
  },
}

/** Every step of `npm run check`, in the order in which they run. */
export const steps: readonly Step[] = [
  toolStep('types', 'tsc', ['--noEmit']),
  toolStep('lint', 'oxlint', ['--type-aware', '--deny-warnings']),
  toolStep('format', 'biome', ['check', '--error-on-warnings', '--colors=off']),
  importsStep,
  toolStep('unused', 'knip', ['--no-progress']),
  surfaceStep,
]
