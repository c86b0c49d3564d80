import { resolve } from 'node:path'
import type { ExtraCommand } from '../edges/cli/context.ts'
import { readConfig } from './config.ts'
import { formatMember, recoverMember } from './member_files.ts'

interface MemberFlags {
  readonly data: string
  readonly config: string
}

/** `member format` and `member recover`: what a blank data directory is to become. */
export const memberCommand: ExtraCommand = (program, { out }) => {
  const member = program
    .command('member')
    .summary('prepare the data directory of one member of a cluster')
    .description(
      'Prepares the data directory of one member of a cluster of several. A member does not start with a blank directory: it might be a lost disk.',
    )
  member
    .command('format')
    .summary('for a new cluster: once for each member, before its first start')
    .description(
      'Makes a blank directory that of a member of a new cluster. The members have votes once all of them were formatted and have met.',
    )
    .requiredOption('--data <dir>', 'the data directory of the member')
    .requiredOption('--config <file>', 'its configuration, as cluster init has written it')
    .action(async ({ data, config }: MemberFlags) => {
      await formatMember(resolve(data), await readConfig(config))
      await out.line(`${data} is that of a member of a new cluster.`)
    })
  member
    .command('recover')
    .summary('for a member that lost its disk, while a majority of the others runs')
    .description(
      'Makes a directory that of a member that has lost its log. It takes everything from the others, and has no vote until it can contradict nothing it had promised. A damaged log is moved aside.',
    )
    .requiredOption('--data <dir>', 'the data directory of the member')
    .requiredOption('--config <file>', 'its configuration, as cluster init has written it')
    .action(async ({ data, config }: MemberFlags) => {
      const aside = await recoverMember(resolve(data), await readConfig(config))
      if (aside !== undefined) await out.line(`The old log is kept in ${aside}; delete it when you like.`)
      await out.line(`${data} is that of a member that recovers. Start it as usual.`)
    })
}
