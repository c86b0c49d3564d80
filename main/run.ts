import { logVerbosity, setLogVerbosity } from '@grpc/grpc-js'
import { loadDomains } from '../domains/load.ts'
import { runCli } from '../edges/cli/run.ts'
import { ownCommands } from './own_commands.ts'

// What the library has to say is in the errors that it gives.
if (process.env['GRPC_VERBOSITY'] === undefined) setLogVerbosity(logVerbosity.NONE)

process.exitCode = await runCli(process.argv.slice(2), {
  registry: await loadDomains(),
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  extra: ownCommands,
})
