import { expect, test } from 'vitest'
import { plantTree } from './planted-tree.ts'
import { steps } from './steps.ts'

/** A tree in which every step but `unused` finds nothing: nothing here uses the dependencies of package.json. */
const clean = {
  'log/log.ts': 'export interface Entry {\n  index: number\n}\n',
  'domains/kernel/table.ts': "import type { Entry } from '../../log/log.ts'\n\nexport type Row = Entry\n",
  'domains/dns/contract.ts': 'export const zone = 1\n',
  'domains/dns/decide.ts': "import { zone } from './contract.ts'\n\nexport const decided = zone\n",
  'domains/vm/decide.ts': "import { zone } from '../dns/contract.ts'\n\nexport const decided = zone\n",
  'projections/zones/zones.ts':
    "import { zone } from '../../domains/dns/contract.ts'\n\nexport const zones = [zone]\n",
  'edges/rest/server.ts':
    "import { zones } from '../../projections/zones/zones.ts'\n\nexport const server = zones\n",
  'hostd/host.ts': 'export const host = 1\n',
  'main/up.ts':
    "import { server } from '../edges/rest/server.ts'\nimport { host } from '../hostd/host.ts'\n\nexport const up = [server, host]\n",
  'README.md': '# Planted\n\n`npm run check`\n',
} as const

async function runStep(name: string, files: Readonly<Record<string, string>>): Promise<[boolean, string]> {
  await using tree = await plantTree({ ...clean, ...files })
  const step = steps.find((candidate) => candidate.name === name)
  if (step === undefined) throw new Error(`no step ${name}`)
  const { passed, output } = await step.run(tree.root)
  return [passed, output]
}

test.each(['types', 'lint', 'format', 'imports', 'surface'])('%s passes a clean tree', async (step) => {
  expect(await runStep(step, {})).toEqual([true, expect.any(String)])
})

const violations: [step: string, expected: string, files: Record<string, string>][] = [
  ['types', 'TS2322', { 'log/wrong.ts': "export const index: number = 'one'\n" }],
  ['types', 'TS1294', { 'log/enum.ts': 'export enum Level {\n  Low,\n}\n' }],
  [
    'lint',
    'no-floating-promises',
    {
      'log/floating.ts':
        'export async function sync(): Promise<void> {\n  await Promise.resolve()\n}\n\nexport function close(): void {\n  sync()\n}\n',
    },
  ],
  [
    'lint',
    'switch-exhaustiveness-check',
    {
      'log/switch.ts':
        "export function name(role: 'leader' | 'follower'): void {\n  switch (role) {\n    case 'leader':\n      console.log(role)\n  }\n}\n",
    },
  ],
  ['lint', 'no-explicit-any', { 'log/any.ts': 'export const entries: any[] = []\n' }],
  [
    'lint',
    'no-non-null-assertion',
    { 'log/bang.ts': 'export const first = (list: number[]): number => list[0]!\n' },
  ],
  [
    'lint',
    'no-restricted-globals',
    { 'domains/dns/evolve.ts': 'export const now = (): number => Date.now()\n' },
  ],
  [
    'lint',
    'no-restricted-properties',
    { 'log/raft/raft.ts': 'export const seed = (): number => Math.random()\n' },
  ],
  ['lint', 'no-cycle', { 'log/a.ts': "export * from './b.ts'\n", 'log/b.ts': "export * from './a.ts'\n" }],
  [
    'lint',
    'consistent-type-imports',
    { 'log/type.ts': "export type Entry = readonly import('./log.ts').Entry[]\n" },
  ],
  ['format', 'Formatter would have printed', { 'log/format.ts': 'export const a = "1";\n' }],
  [
    'format',
    'organizeImports',
    {
      'log/sort.ts':
        "import { join } from 'node:path'\nimport { tmpdir } from 'node:os'\n\nexport const path = join(tmpdir())\n",
    },
  ],
  ['unused', 'log/forgotten.ts', { 'log/forgotten.ts': 'export const forgotten = 1\n' }],
  ['unused', 'classic-level', {}],
  ['unused', 'neverImported', { 'hostd/host.ts': 'export const host = 1\nexport const neverImported = 2\n' }],
  ['surface', 'README.md:1 scripts', { 'README.md': 'npm run nothing\n' }],
]

test.each(violations)('%s finds a planted %s', async (step, expected, files) => {
  expect(await runStep(step, files)).toEqual([false, expect.stringContaining(expected)])
})
