import { readFile } from 'node:fs/promises'
import type { Log } from '../../../log/log.ts'
import { openLog } from '../../../log/node.ts'
import { listenOf, readConfig, splitAddress } from '../../../main/config.ts'
import { logDirectory } from '../../../main/member_files.ts'

/** Opens the log of a member of a cluster, with nothing above it. A failure of it ends the process. */
export async function openMemberLog(directory: string, configFile: string): Promise<Log> {
  const config = await readConfig(configFile)
  if (config.cluster === undefined) throw new Error(`${configFile} names no cluster`)
  const { id, member, members, secretFile } = config.cluster
  return await openLog({
    directory: logDirectory(directory),
    clusterId: id,
    memberId: member,
    members: members.map((each) => ({
      id: each.id,
      name: each.name,
      peerAddress: each.peer,
      clientAddress: each.client,
    })),
    listen: splitAddress(listenOf(config).peer),
    clusterSecret: (await readFile(secretFile, 'utf8')).trim(),
    ...(config.electionTimeoutMilliseconds === undefined
      ? {}
      : { electionTimeoutMilliseconds: config.electionTimeoutMilliseconds }),
    failed: (error) => {
      console.error(error)
      process.exit(1)
    },
  })
}
