import { expect, test } from 'vitest'
import { findAll, formatFinding } from './guard.ts'
import { guards } from './guards.ts'

const manifest = { path: 'package.json', text: '{ "scripts": { "test": "", "proof": "", "bench": "" } }' }

function judge(path: string, text: string): string[] {
  return findAll(guards, { files: [manifest, { path: 'proofs/sim/main.ts', text: '' }, { path, text }] }).map(
    formatFinding,
  )
}

const violations: [guard: string, path: string, text: string][] = [
  ['unfinished', 'log/log.ts', '// TODO: sync'],
  ['unfinished', 'scripts/setup.sh', '# FIXME'],
  ['unfinished', 'docs/a.md', 'XXX'],
  ['wording', 'docs/a.md', 'Volumes are coming soon.'],
  ['wording', 'docs/a.md', 'Snapshots are Not Yet Implemented.'],
  ['wording', 'README.md', 'This is a work in progress.'],
  ['wording', 'docs/a.md', 'The method is a stub.'],
  ['escapes', 'log/log.ts', 'const entry = value as any'],
  ['escapes', 'log/log.ts', '// @ts-ignore'],
  ['escapes', 'log/log.ts', '// oxlint-disable-next-line no-cycle'],
  ['skips', 'log/log.test.ts', "test.skip('later', () => {})"],
  ['skips', 'log/log.test.ts', "describe.only('this', () => {})"],
  ['skips', 'log/log.test.ts', "it.concurrent.skipIf(slow)('that', () => {})"],
  ['machine', 'log/log.ts', "const folder = '/home/someone/ultracloud'"],
  ['machine', 'docs/a.md', 'Go to /work/main.'],
  ['machine', 'docs/a.md', 'Look into /root/.npm.'],
  ['machine', 'package-lock.json', '"resolved": "https://registry.npmjs.org/zod"'],
  ['machine', 'scripts/setup.sh', 'deb http://deb.debian.org/debian bookworm main'],
  ['size', 'log/log.ts', 'x'.repeat(24 * 1024 + 1)],
  ['scripts', 'README.md', 'npm run nothing'],
  ['scripts', 'README.md', 'npm run proof -- nothing'],
  ['scripts', 'docs/a.md', 'npm run -s bench -- nothing'],
  ['links', 'docs/a.md', 'See [the design](design.md#log).'],
  ['untested', 'domains/tea/contract.ts', 'Brew: command({'],
]

test.each(violations)('%s finds a violation planted in %s: %s', (guard, path, text) => {
  expect(judge(path, text)).toEqual([expect.stringContaining(`${path}:1 ${guard}: `)])
})

test('every guard is tried on a planted violation', () => {
  expect(new Set(violations.map(([guard]) => guard))).toEqual(new Set(guards.map(({ name }) => name)))
})

const allowed: [path: string, text: string][] = [
  [
    'docs/a.md',
    'A stub resolver asks it. See [the manifest](../package.json), [docs](.) and [RFC](https://rfc-editor.org).',
  ],
  ['README.md', 'npm run proof -- sim --seed 1, npm test'],
  ['README.md', 'The data is in ./work/data, or work/data.'],
  ['log/log.ts', "mkdtemp('ultracloud-XXXXXX'); source.skip(1)"],
  ['domains/kernel/state.ts', 'registry.kinds.get(name)'],
  ['log/log.test.ts', 'const rest = iterator.skip(1)'],
  ['log/log.ts', 'x'.repeat(24 * 1024)],
  ['package-lock.json', 'x'.repeat(64 * 1024)],
]

test.each(allowed)('%s may say: %s', (path, text) => {
  expect(judge(path, text)).toEqual([])
})

test('npm test is a script, too', () => {
  const files = [
    { path: 'package.json', text: '{ "scripts": {} }' },
    { path: 'README.md', text: 'npm test' },
  ]
  expect(findAll(guards, { files }).map(formatFinding)).toEqual(['README.md:1 scripts: there is no npm test'])
})

test('a command that a test names is tested', () => {
  const files = [
    manifest,
    { path: 'domains/tea/contract_pots.ts', text: '    Brew: command({' },
    { path: 'domains/tea/tea.test.ts', text: "when: ['tea.Brew', {}]" },
  ]
  expect(findAll(guards, { files }).map(formatFinding)).toEqual([])
})

test('a finding names its line', () => {
  expect(judge('log/log.ts', 'one\ntwo as any\n')).toEqual([
    'log/log.ts:2 escapes: a way around the checks: as any',
  ])
})
