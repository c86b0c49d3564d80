import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { importsStep } from './imports.ts'
import { plantTree } from './planted-tree.ts'

/** One module in each folder that a rule speaks of, none of which imports anything. */
const modules = [
  'log/log.ts',
  'domains/kernel/table.ts',
  'domains/dns/contract.ts',
  'domains/dns/state.ts',
  'domains/vm/contract.ts',
  'domains/vm/decide.ts',
  'projections/zones/zones.ts',
  'edges/rest/server.ts',
  'hostd/host.ts',
  'main/up.ts',
  'proofs/model/main.ts',
  'scripts/check.ts',
]
const files = Object.fromEntries(modules.map((path) => [path, 'export const one = 1\n']))

function importing(target: string): string {
  return `import { one } from '../../${target}'\n\nexport const two = one\n`
}

const uphill: [rule: string, from: string, to: string][] = [
  ['log-imports-nothing-above', 'log/raft/uphill.ts', 'domains/kernel/table.ts'],
  ['log-imports-nothing-above', 'log/raft/uphill.test.ts', 'main/up.ts'],
  ['domains-import-log-only', 'domains/dns/uphill.ts', 'projections/zones/zones.ts'],
  ['kernel-imports-no-domain', 'domains/kernel/uphill.ts', 'domains/dns/contract.ts'],
  ['domain-imports-contract-of-another', 'domains/vm/uphill.ts', 'domains/dns/state.ts'],
  ['projections-import-downhill', 'projections/zones/uphill.ts', 'edges/rest/server.ts'],
  ['projections-import-contracts-and-kernel', 'projections/zones/uphill.ts', 'domains/dns/state.ts'],
  ['edges-import-downhill', 'edges/rest/uphill.ts', 'hostd/host.ts'],
  ['hostd-imports-downhill', 'hostd/kvm/uphill.ts', 'edges/rest/server.ts'],
  ['hostd-imports-downhill', 'hostd/kvm/uphill.ts', 'main/up.ts'],
  ['main-imports-no-proof', 'main/roles/uphill.ts', 'proofs/model/main.ts'],
  ['resolvable', 'hostd/kvm/nowhere.ts', 'hostd/missing.ts'],
]

test.each(uphill)('%s stops %s from importing %s', async (rule, from, to) => {
  await using tree = await plantTree({ ...files, [from]: importing(to) })
  const { passed, output } = await importsStep.run(tree.root)
  expect(output).toContain(`${rule}: ${from} imports`)
  expect(passed).toBe(false)
})

const downhill: [from: string, to: string][] = [
  ['domains/dns/downhill.ts', 'log/log.ts'],
  ['domains/vm/downhill.ts', 'domains/dns/contract.ts'],
  ['domains/vm/downhill.ts', 'domains/vm/decide.ts'],
  ['domains/vm/downhill.ts', 'domains/kernel/table.ts'],
  ['domains/vm/downhill.test.ts', 'domains/dns/state.ts'],
  ['projections/zones/downhill.ts', 'domains/dns/contract.ts'],
  ['edges/rest/downhill.ts', 'projections/zones/zones.ts'],
  ['main/roles/downhill.ts', 'domains/dns/state.ts'],
  ['proofs/model/downhill.ts', 'main/up.ts'],
  ['scripts/check/downhill.ts', 'domains/dns/state.ts'],
]

test('every import downhill passes', async () => {
  await using tree = await plantTree(files)
  for (const [from, to] of downhill) {
    await using planted = await plantTree({ ...files, [from]: importing(to) })
    expect([from, await importsStep.run(planted.root)]).toEqual([from, { passed: true, output: '' }])
  }
  expect(await importsStep.run(tree.root)).toEqual({ passed: true, output: '' })
})

const hidden: [kind: string, text: string][] = [
  ['of a type', "import type { one } from '../hostd/host.ts'\n\nexport type One = typeof one\n"],
  ['of a type inline', "import { type one } from '../hostd/host.ts'\n\nexport type One = typeof one\n"],
  ['for its effect', "import '../hostd/host.ts'\n"],
  ['in an export', "export { one } from '../hostd/host.ts'\n"],
  ['in an export of all', "export * from '../hostd/host.ts'\n"],
  ['at run time', "export const late = (): Promise<unknown> => import('../hostd/host.ts')\n"],
  [
    'in a method',
    "export class Late {\n  async #load() {\n    return [await import('../hostd/host.ts')]\n  }\n}\n",
  ],
  [
    'in a using declaration',
    "export async function f() {\n  await using one = await import('../hostd/host.ts')\n}\n",
  ],
  [
    'in a loop of using declarations',
    "export function f(all: Disposable[]) {\n  for (using one of all) void import('../hostd/host.ts')\n}\n",
  ],
]

test.each(hidden)('an import %s is seen', async (_kind, text) => {
  await using tree = await plantTree({ ...files, 'log/uphill.ts': text })
  expect(await importsStep.run(tree.root)).toEqual({
    passed: false,
    output: 'log-imports-nothing-above: log/uphill.ts imports hostd/host.ts',
  })
})

test('a module that was not read fails the step, though dependency-cruiser reports success', async () => {
  await using tree = await plantTree(files)
  const configuration = join(tree.root, '.dependency-cruiser.mjs')
  const text = await readFile(configuration, 'utf8')
  const blinded = text.replace('options: {', "options: { exclude: { path: '^hostd/' },")
  expect(blinded).not.toBe(text)
  await writeFile(configuration, blinded)
  expect(await importsStep.run(tree.root)).toEqual({
    passed: false,
    output: 'module-not-read: hostd/host.ts\nread 11 modules, the folders have 12',
  })
})

test('a tree without modules fails', async () => {
  await using tree = await plantTree({})
  const { passed } = await importsStep.run(tree.root)
  expect(passed).toBe(false)
})
