import { spawn } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'

const ROOT = dirname(import.meta.dirname)

/** Vitest's configuration of the planted clone: this repository's reporters in short. */
const CONFIGURATION =
  "export default { test: { reporters: ['default', ['json', { outputFile: process.env.TEST_REPORT }]] } }\n"

/** What `.ci/run` prints and returns in a clone whose tests are `tests` and whose other steps are `steps`. */
async function runCi(
  tests: string,
  steps: Readonly<Record<string, string>> = {},
): Promise<{ code: number | null; output: string; last: string | undefined }> {
  const root = await mkdtemp(join(tmpdir(), 'ultracloud-ci-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  await cp(join(ROOT, '.ci/run'), join(root, '.ci/run'))
  await cp(join(ROOT, 'scripts/test-summary.ts'), join(root, 'scripts/test-summary.ts'))
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  const scripts = { check: 'true', test: 'vitest run', ...steps }
  await writeFile(join(root, 'package.json'), JSON.stringify({ type: 'module', scripts }))
  await writeFile(join(root, 'vitest.config.js'), CONFIGURATION)
  await writeFile(join(root, 'planted.test.js'), `import { expect, test } from 'vitest'\n${tests}\n`)
  if ('quickstart' in steps) {
    await mkdir(join(root, 'main'))
    await writeFile(join(root, 'main/quickstart.ts'), '')
  }

  // A run of vitest inside of one must not take itself for one of its workers.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(VITEST|TEST|NODE_ENV)/.test(name)),
  )
  const child = spawn('bash', ['.ci/run'], { cwd: root, env, stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  const code = await new Promise<number | null>((resolve) => child.on('close', resolve))
  return { code, output, last: output.trimEnd().split('\n').at(-1) }
}

const passing = "test('one', () => expect(1).toBe(1))\ntest('two', () => expect(2).toBe(2))"

test('a green run counts the tests and the check', async () => {
  expect(await runCi(passing)).toMatchObject({ code: 0, last: '3 passed, 0 failed' })
})

test('the quickstart is a step when it is there', async () => {
  const green = await runCi(passing, { quickstart: 'true' })
  expect(green).toMatchObject({ code: 0, last: '4 passed, 0 failed' })
  const red = await runCi(passing, { quickstart: 'echo no guest; exit 3' })
  expect(red).toMatchObject({ code: 1, last: '3 passed, 1 failed' })
  expect(red.output).toContain('no guest')
})

test('a failed check fails the run, shows its log and does not stop the tests', async () => {
  const { code, output, last } = await runCi(passing, { check: 'echo uphill; false' })
  expect([code, last]).toEqual([1, '2 passed, 1 failed'])
  expect(output).toContain('uphill')
})

test('a failed test is counted and named', async () => {
  const { code, output, last } = await runCi(`${passing}\ntest('three', () => expect(3).toBe(4))`)
  expect([code, last]).toEqual([1, '3 passed, 1 failed'])
  expect(output).toMatch(/^failed: .*planted.test.js: three$/m)
})

test('a skipped test fails the run and is named', async () => {
  const { code, output, last } = await runCi(`${passing}\ntest['skip']('later', () => expect(3).toBe(4))`)
  expect([code, last]).toEqual([1, '3 passed, 1 failed'])
  expect(output).toMatch(/^skipped: .*planted.test.js: later: no reason is listed$/m)
})

test('a test file that does not load fails the run', async () => {
  const { code, last } = await runCi("throw new Error('does not load')")
  expect([code, last]).toEqual([1, '1 passed, 1 failed'])
})

test('an error outside of any test fails the run', async () => {
  const { code, last } = await runCi(`${passing}\nPromise.reject(new Error('unhandled'))`)
  expect([code, last]).toEqual([1, '3 passed, 1 failed'])
})

test('no report at all fails the run', async () => {
  const { code, last } = await runCi(passing, { test: 'echo no runner; exit 1' })
  expect([code, last]).toEqual([1, '1 passed, 1 failed'])
})
