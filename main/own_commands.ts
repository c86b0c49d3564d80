import type { ExtraCommand } from '../edges/cli/context.ts'
import { backupCommand } from './backup/commands.ts'
import { clusterCommand } from './cluster_commands.ts'
import { memberCommand } from './member_commands.ts'
import { balancerCommand, downCommand, hostCommand, nameServerCommand, upCommand } from './run_commands.ts'

/** The commands that only the composition root can offer, in the order in which the help lists them. */
export const ownCommands: readonly ExtraCommand[] = [
  upCommand,
  downCommand,
  hostCommand,
  nameServerCommand,
  balancerCommand,
  backupCommand,
  clusterCommand,
  memberCommand,
]
