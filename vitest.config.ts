import { defineConfig } from 'vitest/config'
import type { Reporter } from 'vitest/node'
import { SlowFilesReporter } from './scripts/slow-files-reporter.ts'

/** Where to leave a report that programs can read, as `.ci/run` asks for. */
const reportFile = process.env['TEST_REPORT']
const reporters: (string | Reporter | [string, Record<string, unknown>])[] = [
  'default',
  new SlowFilesReporter(),
]
if (reportFile !== undefined) reporters.push(['json', { outputFile: reportFile }])

export default defineConfig({
  test: {
    include: ['{log,domains,projections,edges,hostd,main,proofs,scripts}/**/*.test.ts'],
    pool: 'forks',
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
    teardownTimeout: 30_000,
    reporters,
  },
})
