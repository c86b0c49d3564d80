import { resolve } from 'node:path'
import type { ExtraCommand } from '../edges/cli/context.ts'
import { type MemberAddresses, parseMember, writeClusterFiles } from './cluster_files.ts'
import { parseRoles, type Role } from './config.ts'

interface InitFlags {
  readonly directory: string
  readonly member: readonly MemberAddresses[]
  readonly roles: readonly Role[]
}

/** `cluster init`: the files from which the members of a new cluster are started. */
export const clusterCommand: ExtraCommand = (program, { out }) => {
  const cluster = program
    .command('cluster')
    .summary('Prepares a cluster of several members.')
    .description('Prepares a control plane of several members.')
  cluster
    .command('init')
    .summary('Writes the configuration files of a new cluster.')
    .description(
      'Writes a configuration file for each member, the secret that the members share and the master key that signs tokens, and says how to start each member. A cluster has 1, 3 or 5 members.',
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
    .addHelpText(
      'after',
      `
Examples:
  $ ultracloud cluster init --directory cloud --member a=10.0.0.1:7421,10.0.0.1:7420 \\
      --member b=10.0.0.2:7421,10.0.0.2:7420 --member c=10.0.0.3:7421,10.0.0.3:7420
`,
    )
    .action(async ({ directory, member: members, roles }: InitFlags) => {
      const files = await writeClusterFiles({ directory: resolve(directory), members, roles })
      await out.line(`Keep ${files.masterKeyFile} apart from backups: it signs every token.`)
      for (const [index, { name }] of members.entries()) {
        const config = files.configs[index] as string
        await out.line()
        await out.line(`${name}: copy these files to its machine, format it once, and start it`)
        for (const file of [config, files.secretFile, files.masterKeyFile]) await out.line(`  ${file}`)
        await out.line(`  ultracloud member format --data work/${name} --config ${config}`)
        await out.line(`  ultracloud up --data work/${name} --config ${config}`)
      }
    })
}
