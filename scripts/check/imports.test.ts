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

/** A module two folders down that imports `target`. */
function importing(target: string): string {
  return `import { one } from '../../${target}'\n\nexport const two = one\n`
}

test('every import uphill is found, and by the rule that speaks of it', async () => {
  const uphill: [rule: string, from: string, to: string][] = [
    ['domain-imports-contract-of-another', 'domains/vm/to-state.ts', 'domains/dns/state.ts'],
    ['domains-import-log-only', 'domains/dns/to-projection.ts', 'projections/zones/zones.ts'],
    ['edges-import-downhill', 'edges/rest/to-hostd.ts', 'hostd/host.ts'],
    ['edges-import-downhill', 'edges/rest/to-main.ts', 'main/up.ts'],
    ['hostd-imports-downhill', 'hostd/kvm/to-edge.ts', 'edges/rest/server.ts'],
    ['hostd-imports-downhill', 'hostd/kvm/to-main.ts', 'main/up.ts'],
    ['kernel-imports-no-domain', 'domains/kernel/to-domain.ts', 'domains/dns/contract.ts'],
    ['log-imports-nothing-above', 'log/raft/to-domain.ts', 'domains/kernel/table.ts'],
    ['log-imports-nothing-above', 'log/raft/to-main.test.ts', 'main/up.ts'],
    ['main-imports-no-proof', 'main/roles/to-proof.ts', 'proofs/model/main.ts'],
    ['projections-import-contracts-and-kernel', 'projections/zones/to-state.ts', 'domains/dns/state.ts'],
    ['projections-import-downhill', 'projections/zones/to-edge.ts', 'edges/rest/server.ts'],
  ]
  const planted = uphill.map(([, from, to]) => [from, importing(to)])
  await using tree = await plantTree({ ...files, ...Object.fromEntries(planted) })
  const { passed, output } = await importsStep.run(tree.root)
  expect(output.split('\n').toSorted()).toEqual(
    uphill.map(([rule, from, to]) => `${rule}: ${from} imports ${to}`),
  )
  expect(passed).toBe(false)
})

test('every import downhill passes', async () => {
  const downhill: [from: string, to: string][] = [
    ['domains/dns/to-log.ts', 'log/log.ts'],
    ['domains/vm/to-contract.ts', 'domains/dns/contract.ts'],
    ['domains/vm/to-itself.ts', 'domains/vm/decide.ts'],
    ['domains/vm/to-kernel.ts', 'domains/kernel/table.ts'],
    ['domains/vm/to-state.test.ts', 'domains/dns/state.ts'],
    ['projections/zones/to-contract.ts', 'domains/dns/contract.ts'],
    ['edges/rest/to-projection.ts', 'projections/zones/zones.ts'],
    ['main/roles/to-state.ts', 'domains/dns/state.ts'],
    ['proofs/model/to-main.ts', 'main/up.ts'],
    ['scripts/check/to-state.ts', 'domains/dns/state.ts'],
  ]
  const planted = downhill.map(([from, to]) => [from, importing(to)])
  await using tree = await plantTree({ ...files, ...Object.fromEntries(planted) })
  expect(await importsStep.run(tree.root)).toEqual({ passed: true, output: '' })
})

test('an import is seen wherever it stands', async () => {
  const host = "'../hostd/host.ts'"
  const forms = {
    'log/type.ts': `import type { one } from ${host}\n\nexport type One = typeof one\n`,
    'log/type-inline.ts': `import { type one } from ${host}\n\nexport type One = typeof one\n`,
    'log/effect.ts': `import ${host}\n`,
    'log/export.ts': `export { one } from ${host}\n`,
    'log/export-all.ts': `export * from ${host}\n`,
    'log/run-time.ts': `export const late = (): Promise<unknown> => import(${host})\n`,
    'log/method.ts': `export class Late {\n  async #load() {\n    return [await import(${host})]\n  }\n}\n`,
    'log/using.ts': `export async function f() {\n  await using one = await import(${host})\n}\n`,
    'log/using-loop.ts': `export function f(all: Disposable[]) {\n  for (using one of all) void import(${host})\n}\n`,
  }
  await using tree = await plantTree({ ...files, ...forms })
  const { output } = await importsStep.run(tree.root)
  const expected = Object.keys(forms).map(
    (path) => `log-imports-nothing-above: ${path} imports hostd/host.ts`,
  )
  expect(output.split('\n').toSorted()).toEqual(expected.toSorted())
})

test('an import that leads nowhere, and one of a test, are found', async () => {
  await using tree = await plantTree({
    ...files,
    'hostd/kvm/nowhere.ts': importing('hostd/missing.ts'),
    'hostd/host.test.ts': 'export const one = 1\n',
    'hostd/kvm/of-test.ts': importing('hostd/host.test.ts'),
  })
  const { output } = await importsStep.run(tree.root)
  expect(output.split('\n').toSorted()).toEqual([
    'no-test-imported: hostd/kvm/of-test.ts imports hostd/host.test.ts',
    'resolvable: hostd/kvm/nowhere.ts imports ../../hostd/missing.ts',
  ])
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
