import type { Reporter, TestModule } from 'vitest/node'

const FILES_MAX = 15
const DURATION_MS_MIN = 1_000

/** Ends a test run with the files that took longest, so that what makes the suite slow is seen when it is written. */
export class SlowFilesReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const slow = modules
      .map((module) => ({ file: module.relativeModuleId, duration: durationOf(module) }))
      .filter(({ duration }) => duration >= DURATION_MS_MIN)
      .toSorted((a, b) => b.duration - a.duration)
      .slice(0, FILES_MAX)
    if (slow.length === 0) return
    console.log('\nSlowest test files:')
    for (const { file, duration } of slow)
      console.log(`${(duration / 1000).toFixed(1).padStart(8)} s  ${file}`)
  }
}

/** Milliseconds that a file took in its worker: setup, import, tests and hooks. */
function durationOf(module: TestModule): number {
  const { environmentSetupDuration, prepareDuration, collectDuration, setupDuration, duration } =
    module.diagnostic()
  return environmentSetupDuration + prepareDuration + collectDuration + setupDuration + duration
}
