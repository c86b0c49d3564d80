import { join, resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import type { ExtraContext } from '../edges/cli/context.ts'
import { CERTIFICATE_DAYS } from './cluster_files.ts'
import { ConfigError } from './config.ts'

const DAYS_MAX = 3650
const NAME = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

interface IssueFlags {
  readonly directory: string
  readonly member?: string
  readonly client?: string
  readonly etcd?: boolean
  readonly days: number
  readonly host?: readonly string[]
}

interface RotateFlags {
  readonly directory: string
  readonly days: number
  readonly host?: readonly string[]
  readonly finish?: boolean
}

/** Adds `issue-certificate` and `rotate-ca`. The library that makes certificates is loaded only when one of them runs. */
export function addCertificateCommands(cluster: Command, out: ExtraContext['out']): void {
  shared(cluster.command('issue-certificate'))
    .summary('issue the certificate of a member or of a client')
    .description(
      'Issues a certificate of the cluster’s authority, with a new key: of a member, in place of the one it has, or of a client. A running member takes its new files up by itself.',
    )
    .option('--member <name>', 'of which member; its configuration must be in the directory')
    .option('--client <name>', 'for which client')
    .option('--etcd', 'a client that may use the etcd API: read and change all of its keys')
    .addHelpText(
      'after',
      `
Examples:
  $ ultracloud cluster issue-certificate --directory cloud --member a --days 90
  $ ultracloud cluster issue-certificate --directory cloud --client monitoring
  $ ultracloud cluster issue-certificate --directory cloud --client app --etcd
`,
    )
    .action((flags: IssueFlags) => issue(flags, out))
  shared(cluster.command('rotate-ca'))
    .summary('replace the authority of the cluster, without a stop')
    .description(
      'Makes a new authority beside the old one, and issues the certificate of every member anew. Copy the files to the members, in any order: old and new are accepted both. Then end the rotation with --finish, and copy again: what the old authority issued is refused from then on.',
    )
    .option('--finish', 'take the old authority away')
    .addHelpText(
      'after',
      `
Examples:
  $ ultracloud cluster rotate-ca --directory cloud
  $ ultracloud cluster rotate-ca --directory cloud --finish
`,
    )
    .action((flags: RotateFlags) => rotate(flags, out))
}

function shared(command: Command): Command {
  return command
    .requiredOption('--directory <dir>', 'where `cluster init` wrote the files, with ca.key')
    .option('--days <days>', 'how long certificates last', parseDays, CERTIFICATE_DAYS)
    .option(
      '--host <host>',
      'another name or address by which the members are reached; may be given several times',
      (host: string, before: readonly string[] | undefined) => [...(before ?? []), host],
    )
}

async function issue(flags: IssueFlags, out: ExtraContext['out']): Promise<void> {
  const { member, client, days, etcd = false, host = [] } = flags
  const directory = resolve(flags.directory)
  if (etcd && client === undefined) throw new ConfigError('--etcd is of a client: give --client')
  const { issueClient, reissueMember } = await import('./certificates/files.ts')
  if (member !== undefined && client === undefined) {
    const files = await reissueMember(directory, requireName(member), days, host)
    await out.line(`Copy these files to the machine of ${member}; it takes them up by itself:`)
    for (const file of [files.certificateFile, files.keyFile]) await out.line(`  ${file}`)
    return
  }
  if (client === undefined || member !== undefined)
    throw new ConfigError('a certificate is of a member or of a client: give --member or --client')
  const files = await issueClient(directory, requireName(client), days, { etcd })
  await out.line(`The certificate of ${client}:`)
  for (const file of [files.certificateFile, files.keyFile]) await out.line(`  ${file}`)
}

async function rotate(flags: RotateFlags, out: ExtraContext['out']): Promise<void> {
  const directory = resolve(flags.directory)
  const caFile = join(directory, 'ca.crt')
  const { beginRotation, finishRotation } = await import('./certificates/files.ts')
  if (flags.finish === true) {
    await finishRotation(directory)
    await out.line(`The old authority is gone from ${caFile}. Copy it to every member, client and daemon.`)
    return
  }
  const members = await beginRotation(directory, flags.days, flags.host ?? [])
  await out.line('Copy these files to the machines, in any order; members take them up by themselves:')
  for (const { name, certificateFile, keyFile } of members) {
    await out.line(`${name}:`)
    for (const file of [caFile, certificateFile, keyFile]) await out.line(`  ${file}`)
  }
  await out.line(`clients and daemons:`)
  await out.line(`  ${caFile}`)
  await out.line('Issue the certificates of clients anew. Then: ultracloud cluster rotate-ca --finish')
}

function requireName(name: string): string {
  if (!NAME.test(name)) throw new ConfigError(`${name}: a name is 1 to 63 of a-z, 0-9 and -`)
  return name
}

function parseDays(text: string): number {
  const days = Number(text)
  if (!Number.isInteger(days) || days < 1 || days > DAYS_MAX)
    throw new InvalidArgumentError(`must be a whole number from 1 to ${DAYS_MAX}.`)
  return days
}
