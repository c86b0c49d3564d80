import type { Member } from './member.ts'
import { encode } from './messages.ts'
import { StatusError } from './status.ts'
import type { UnaryMethod } from './unary_call.ts'
import type { WatchHub } from './watch_hub.ts'

const SERVICE = '/etcdserverpb.Cluster/'

/** The members are fixed by configuration: they are listed, and cannot be changed. */
export function clusterMethods(
  member: Member,
  hub: WatchHub,
  scheme: 'http' | 'https',
): [path: string, method: UnaryMethod][] {
  const fixed: UnaryMethod = async () => {
    throw new StatusError('UNIMPLEMENTED', 'etcdserver: the members are fixed by the configuration')
  }
  return [
    [
      `${SERVICE}MemberList`,
      async () => {
        const members = member.members.map(({ id, name, peerAddress, etcdAddress }) => ({
          ID: member.idOf(id),
          name,
          peerURLs: [`${scheme}://${peerAddress}`],
          clientURLs: [`${scheme}://${etcdAddress}`],
        }))
        return encode('MemberListResponse', { header: member.header(hub.revision), members })
      },
    ],
    ...['MemberAdd', 'MemberRemove', 'MemberUpdate', 'MemberPromote'].map((name): [string, UnaryMethod] => [
      `${SERVICE}${name}`,
      fixed,
    ]),
  ]
}
