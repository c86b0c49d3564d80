/**
 * `node scripts/test-summary.ts REPORT`: reads vitest's JSON report, names every failed and skipped test on stderr and
 * prints `PASSED FAILED` on stdout. A test that did not run counts as failed, unless `allowedSkips` says why it may.
 * Exit code 1 when there is no readable report.
 */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** Tests that may be left out, by their full name, each with the reason. */
const allowedSkips: Readonly<Record<string, string>> = {}

const Report = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      status: z.string(),
      message: z.string().default(''),
      assertionResults: z.array(z.object({ fullName: z.string(), status: z.string() })),
    }),
  ),
})

const { testResults } = Report.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')))
let passed = 0
let failed = 0
for (const file of testResults) {
  for (const { fullName, status } of file.assertionResults) {
    const reason = allowedSkips[fullName]
    if (status === 'passed') {
      passed += 1
    } else if (status !== 'failed' && reason !== undefined) {
      console.error(`skipped: ${file.name}: ${fullName}: ${reason}`)
    } else {
      failed += 1
      console.error(
        `${status}: ${file.name}: ${fullName}${status === 'failed' ? '' : ': no reason is listed'}`,
      )
    }
  }
  const fileFailedByItself =
    file.status === 'failed' && !file.assertionResults.some(({ status }) => status === 'failed')
  if (fileFailedByItself) {
    failed += 1
    console.error(`failed: ${file.name}: ${file.message}`)
  }
}
console.log(`${passed} ${failed}`)
