import type { Member } from './member.ts'
import { encode } from './messages.ts'
import { etcdError } from './status.ts'
import type { UnaryMethod } from './unary_call.ts'
import type { WatchHub } from './watch_hub.ts'

const SERVICE = '/etcdserverpb.Auth/'
const refused = [
  'AuthEnable',
  'AuthDisable',
  'Authenticate',
  'UserAdd',
  'UserGet',
  'UserDelete',
  'UserChangePassword',
  'UserGrantRole',
  'UserRevokeRole',
  'RoleAdd',
  'RoleGet',
  'RoleDelete',
  'RoleGrantPermission',
  'RoleRevokePermission',
]

/** Authentication is off, and stays so: clients that offer a name and a password are told, and go on without. */
export function authMethods(member: Member, hub: WatchHub): [path: string, method: UnaryMethod][] {
  const off: UnaryMethod = async () => {
    throw etcdError('authNotEnabled')
  }
  const nothing =
    (response: string): UnaryMethod =>
    async () =>
      encode(response, { header: member.header(hub.revision) })
  return [
    ...refused.map((name): [string, UnaryMethod] => [`${SERVICE}${name}`, off]),
    [`${SERVICE}UserList`, nothing('UserListResponse')],
    [`${SERVICE}RoleList`, nothing('RoleListResponse')],
  ]
}
