#!/usr/bin/env node
import { loadDomains } from '../domains/load.ts'
import { runCli } from '../edges/cli/run.ts'
import { backupCommand } from './backup/commands.ts'
import { clusterCommand } from './cluster_commands.ts'
import { balancerCommand, downCommand, hostCommand, nameServerCommand, upCommand } from './run_commands.ts'

process.exitCode = await runCli(process.argv.slice(2), {
  registry: await loadDomains(),
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  extra: [
    upCommand,
    downCommand,
    hostCommand,
    nameServerCommand,
    balancerCommand,
    backupCommand,
    clusterCommand,
  ],
})
