import { toyRegistry } from '../testing/toy_domain.ts'
import { runCli } from './run.ts'
import { contractRegistry } from './testing_contracts.ts'

/** The command line as a process of its own; ULTRACLOUD_TEST_REGISTRY=contracts gives it every contract, else the toy's. */
const contracts = process.env['ULTRACLOUD_TEST_REGISTRY'] === 'contracts'
process.exitCode = await runCli(process.argv.slice(2), {
  registry: contracts ? await contractRegistry() : toyRegistry(),
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  extra: [],
})
