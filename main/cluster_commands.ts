import { resolve } from 'node:path'
import type { Command } from 'commander'
import type { ExtraCommand, ExtraContext } from '../edges/cli/context.ts'
import { addCertificateCommands } from './certificate_commands.ts'
import { type ClusterFiles, type MemberAddresses, parseMember, writeClusterFiles } from './cluster_files.ts'
import { parseRoles, type Role } from './config.ts'
import { isLoopback } from './listening.ts'

interface InitFlags {
  readonly directory: string
  readonly member: readonly MemberAddresses[]
  readonly roles: readonly Role[]
  readonly tls: boolean
}

/** `cluster`: the files from which the members of a cluster are started, and their certificates. */
export const clusterCommand: ExtraCommand = (program, { out }) => {
  const cluster = program
    .command('cluster')
    .summary('Prepares a cluster of several members.')
    .description('Prepares a control plane of several members.')
  addInit(cluster, out)
  addCertificateCommands(cluster, out)
}

function addInit(cluster: Command, out: ExtraContext['out']): void {
  cluster
    .command('init')
    .summary('Writes the configuration files of a new cluster.')
    .description(
      'Writes a configuration file for each member, the secret that the members share, the master key that signs tokens, an authority and a certificate for each member, and says how to start each member. A cluster has 1, 3 or 5 members.',
    )
    .requiredOption('--directory <dir>', 'where the files are written')
    .requiredOption(
      '--member <name=peer,client>',
      'a member, with host:port for its peers and for its clients; REST answers two ports above the clients’, or where a third address says',
      (text: string, before: readonly MemberAddresses[] | undefined) => [
        ...(before ?? []),
        parseMember(text),
      ],
    )
    .option('--roles <roles>', 'of every node (comma-separated)', parseRoles, ['member'] as readonly Role[])
    .option('--no-tls', 'no certificates: members and clients speak plaintext')
    .addHelpText(
      'after',
      `
Examples:
  $ ultracloud cluster init --directory cloud --member a=10.0.0.1:7421,10.0.0.1:7420 \\
      --member b=10.0.0.2:7421,10.0.0.2:7420 --member c=10.0.0.3:7421,10.0.0.3:7420
`,
    )
    .action(async ({ directory, member: members, roles, tls }: InitFlags) => {
      const files = await writeClusterFiles({ directory: resolve(directory), members, roles, tls })
      for (const line of instructions(members, files)) await out.line(line)
    })
}

function instructions(
  members: readonly MemberAddresses[],
  { configs, secretFile, masterKeyFile, certificates }: ClusterFiles,
): readonly string[] {
  const lines = [`Keep ${masterKeyFile} apart from backups: it signs every token.`]
  if (certificates !== undefined)
    lines.push(`Keep ${certificates.caKeyFile} apart from the members: who has it can be any of them.`)
  const open = members.some(({ peer, client, rest }) => ![peer, client, rest].every(isLoopback))
  const insecure = certificates === undefined && open ? ' --insecure' : ''
  for (const [index, { name }] of members.entries()) {
    const config = configs[index] as string
    const { certificateFile, keyFile } = certificates?.members[index] ?? {}
    const tls = [certificates?.caFile, certificateFile, keyFile].filter((file) => file !== undefined)
    lines.push('', `${name}: copy these files to its machine, format it once, and start it`)
    for (const file of [config, secretFile, masterKeyFile, ...tls]) lines.push(`  ${file}`)
    lines.push(`  ultracloud member format --data work/${name} --config ${config}`)
    lines.push(`  ultracloud up --data work/${name} --config ${config}${insecure}`)
  }
  if (certificates !== undefined)
    lines.push('', `Clients and daemons take --ca-file ${certificates.caFile} (or ULTRACLOUD_CA).`)
  return lines
}
