/**
 * Imports run downhill: `proofs, main → edges, hostd → projections → domains → log`.
 * scripts/check/imports.ts runs these rules and also asserts that every module was read.
 * The swc parser is named because dependency-cruiser cannot use TypeScript 7, and reads no module without a parser.
 */
import { Visitor } from '@swc/core/Visitor.js'

/** The visitor that dependency-cruiser builds on refuses a file with a `using` declaration: this one goes on into it. */
const visitStatement = Reflect.get(Visitor.prototype, 'visitStatement')
Visitor.prototype.visitStatement = function visitStatementOrUsing(statement) {
  if (statement.type !== 'UsingDeclaration') return visitStatement.call(this, statement)
  this.visitVariableDeclarators(statement.decls)
  return statement
}

const kernel = '^domains/kernel/'
const contract = '^domains/[^/]+/contract\\.ts$'
/** A test may compose whole domains; what it tests may not. */
const test = '\\.test\\.ts$'

/** @type {import('dependency-cruiser').IConfiguration} */
export default {
  forbidden: [
    {
      name: 'log-imports-nothing-above',
      comment: 'The log knows nothing of clouds.',
      severity: 'error',
      from: { path: '^log/' },
      to: { path: '^(domains|projections|edges|hostd|main|proofs|scripts)/' },
    },
    {
      name: 'domains-import-log-only',
      comment:
        'A domain decides from its own state; nothing that is made from the log may flow back into it.',
      severity: 'error',
      from: { path: '^domains/' },
      to: { path: '^(projections|edges|hostd|main|proofs|scripts)/' },
    },
    {
      name: 'kernel-imports-no-domain',
      comment: 'Adding a domain is adding a folder: the kernel names none.',
      severity: 'error',
      from: { path: kernel, pathNot: test },
      to: { path: '^domains/', pathNot: kernel },
    },
    {
      name: 'domain-imports-contract-of-another',
      comment: 'Of another domain, its contract.ts alone.',
      severity: 'error',
      from: { path: '^domains/([^/]+)/', pathNot: [kernel, test] },
      to: { path: '^domains/[^/]+/', pathNot: ['^domains/$1/', kernel, contract] },
    },
    {
      name: 'projections-import-downhill',
      severity: 'error',
      from: { path: '^projections/' },
      to: { path: '^(edges|hostd|main|proofs|scripts)/' },
    },
    {
      name: 'projections-import-contracts-and-kernel',
      comment: "A projection is made from the log alone, never from a domain's decisions or state.",
      severity: 'error',
      from: { path: '^projections/', pathNot: test },
      to: { path: '^domains/', pathNot: [kernel, contract] },
    },
    {
      name: 'edges-import-downhill',
      severity: 'error',
      from: { path: '^edges/' },
      to: { path: '^(hostd|main|proofs|scripts)/' },
    },
    {
      name: 'hostd-imports-downhill',
      severity: 'error',
      from: { path: '^hostd/' },
      to: { path: '^(edges|main|proofs|scripts)/' },
    },
    {
      name: 'main-imports-no-proof',
      comment: 'What is shipped stands without its proofs.',
      severity: 'error',
      from: { path: '^main/', pathNot: test },
      to: { path: '^(proofs|scripts)/' },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'no-test-imported',
      comment: 'What a test file exports runs its tests in the importer.',
      severity: 'error',
      from: {},
      to: { path: test },
    },
  ],
  options: {
    parser: 'swc',
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types'],
    },
  },
}
