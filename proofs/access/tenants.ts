import { Rejection } from '../../domains/kernel/rejection.ts'
import type { TestCloud } from './cloud.ts'

/** The organizations; each has a project, `red-shop` or `blue-shop`, with one of everything in it. */
export type Tenant = 'red' | 'blue'

/** Who may try, and how it is bound. What the matrix says is of operations on the red tenant. */
export interface Principal {
  /** Two letters: the head of a column. */
  readonly code: string
  readonly who: string
  readonly token: string | undefined
}

/** A tenant's resources that are known by uid. */
export interface Uids {
  readonly instance: string
  readonly incarnation: string
  readonly member: string
  readonly port: string
  readonly zone: string
  readonly subnet: string
  readonly robotToken: string
}

export interface Population {
  readonly principals: readonly Principal[]
  /** uid of the host that principal `ho` has registered. */
  readonly ownHost: string
  /** uid of a host that another account has registered. */
  readonly otherHost: string
  readonly red: Uids
  readonly blue: Uids
}

const EXPIRY_MS = 400
const inventory = { vcpus: 64, memoryMebibytes: 65_536, acceleration: 'tcg' }

/** Fills a cloud: two hosts, two tenants, and principals of every kind. */
export async function populate(cloud: TestCloud): Promise<Population> {
  await cloud.run('vm.RegisterImage', { name: 'guest' })
  for (const tenant of ['red', 'blue'] as const) {
    await cloud.run('iam.CreateOrganization', { name: tenant })
    await cloud.run('iam.CreateProject', { organization: tenant, name: `${tenant}-shop` })
  }
  const expiresAt = Date.now() + EXPIRY_MS
  const expired = await issued(cloud, 'admin', expiresAt)
  const host = await daemon(cloud, 'host', 'host')
  const otherHost = await daemon(cloud, 'other-host', 'host')
  const own = await cloud.run('vm.RegisterHost', { name: 'machine', ...inventory }, host)
  const other = await cloud.run('vm.RegisterHost', { name: 'other-machine', ...inventory }, otherHost)
  const red = await furnish(cloud, 'red')
  const blue = await furnish(cloud, 'blue')
  const principals: Principal[] = [
    { code: 'no', who: 'no token at all', token: undefined },
    { code: 'fo', who: 'a token that this cloud has not signed', token: forged(cloud.adminToken) },
    { code: 'ex', who: 'a token of admin, expired', token: expired },
    { code: 're', who: 'a token of admin, revoked', token: await revoked(cloud) },
    { code: 'su', who: 'a suspended user with the role admin', token: await suspended(cloud) },
    { code: 'un', who: 'a user without any role', token: await member(cloud, 'unbound') },
    { code: 'ad', who: 'role admin, everywhere', token: cloud.adminToken },
    { code: 'vs', who: 'role viewer, everywhere', token: await member(cloud, 'sight', 'viewer') },
    { code: 'oo', who: 'role owner, in organization red', token: await ofOrganization(cloud, 'red') },
    { code: 'op', who: 'role owner, in project red-shop', token: await ofProject(cloud, 'red', 'owner') },
    { code: 'ed', who: 'role editor, in project red-shop', token: await ofProject(cloud, 'red', 'editor') },
    { code: 'vi', who: 'role viewer, in project red-shop', token: await ofProject(cloud, 'red', 'viewer') },
    { code: 'ho', who: 'role host, everywhere: the account of a host', token: host },
    {
      code: 'dn',
      who: 'role dns, everywhere: the account of a name server',
      token: await daemon(cloud, 'dns-one', 'dns'),
    },
    {
      code: 'ba',
      who: 'role balancer, everywhere: the account of a balancer',
      token: await daemon(cloud, 'balancer-one', 'balancer'),
    },
    { code: 'OO', who: 'role owner, in organization blue', token: await ofOrganization(cloud, 'blue') },
    ...(await Promise.all(
      (['owner', 'editor', 'viewer', 'host', 'dns', 'balancer'] as const).map(async (role) => ({
        code: foreignCodes[role],
        who: `role ${role}, in project blue-shop`,
        token: await ofProject(cloud, 'blue', role),
      })),
    )),
  ]
  await refused(cloud, expired, expiresAt)
  return { principals, ownHost: String(own['uid']), otherHost: String(other['uid']), red, blue }
}

/** The token of a principal by its code. Throws RangeError when it has none. */
export function tokenOf({ principals }: Population, wanted: string): string {
  const token = principals.find(({ code }) => code === wanted)?.token
  if (token === undefined) throw new RangeError(`there is no principal ${wanted} with a token`)
  return token
}

const foreignCodes = {
  owner: 'OP',
  editor: 'ED',
  viewer: 'VI',
  host: 'HO',
  dns: 'DN',
  balancer: 'BA',
} as const

/** One of everything that a tenant can have. */
async function furnish(cloud: TestCloud, tenant: Tenant): Promise<Uids> {
  const project = `${tenant}-shop`
  const make = async (type: string, data: object): Promise<string> =>
    String((await cloud.run(type, { project, ...data }))['uid'])
  const zone = await make('dns.CreateZone', { name: `${tenant}.test` })
  await make('dns.PutRecordSet', { zone: `${tenant}.test`, name: 'www', type: 'A', values: ['192.0.2.1'] })
  await make('vpc.CreateVpc', { name: `${tenant}-net`, cidr: '10.0.0.0/16', dnsZone: `${tenant}.test` })
  const subnet = await make('vpc.CreateSubnet', {
    name: `${tenant}-subnet`,
    vpc: `${tenant}-net`,
    cidr: '10.0.1.0/24',
  })
  await make('vpc.CreateSecurityGroup', { name: `${tenant}-group`, vpc: `${tenant}-net` })
  const port = await make('vpc.AllocatePort', { name: `${tenant}-port`, subnet: `${tenant}-subnet` })
  const instance = await make('vm.CreateInstance', {
    name: `${tenant}-vm`,
    image: 'guest',
    subnet: `${tenant}-subnet`,
    userData: `secret of ${tenant}`,
  })
  await make('lb.CreateLoadBalancer', { name: `${tenant}-lb` })
  await make('lb.CreatePool', { name: `${tenant}-pool` })
  await make('lb.CreateListener', {
    name: `${tenant}-listener`,
    loadBalancer: `${tenant}-lb`,
    protocol: 'TCP',
    port: 8080,
    pool: `${tenant}-pool`,
  })
  const address = '192.0.2.9'
  const memberUid = await make('lb.CreateMember', {
    name: `${tenant}-member`,
    pool: `${tenant}-pool`,
    address,
    port: 80,
  })
  await make('credit.SetQuota', { class: 'instances', limit: 10 })
  await make('iam.CreateServiceAccount', { name: 'robot' })
  await make('iam.CreateProjectBinding', {
    name: `${tenant}-robot`,
    serviceAccount: `${project}/robot`,
    role: 'viewer',
  })
  const { token } = await cloud.run('iam.IssueServiceAccountToken', { project, serviceAccount: 'robot' })
  const { rows } = await cloud.admin.read({ kind: 'vm.incarnation', project })
  const incarnation = String(rows[0]?.['uid'])
  return { instance, incarnation, member: memberUid, port, zone, subnet, robotToken: String(token) }
}

async function issued(cloud: TestCloud, user: string, expiresAt?: number): Promise<string> {
  const { tokenValue } = await cloud.run('iam.IssueToken', { user, expiresAt })
  return String(tokenValue)
}

/** A user and its token; with a role everywhere where one is given. */
async function member(cloud: TestCloud, name: string, role?: string): Promise<string> {
  await cloud.run('iam.CreateUser', { name })
  if (role !== undefined) await cloud.run('iam.CreateBinding', { user: name, role })
  return issued(cloud, name)
}

async function ofOrganization(cloud: TestCloud, organization: Tenant): Promise<string> {
  const user = `${organization}-head`
  const token = await member(cloud, user)
  await cloud.run('iam.CreateOrganizationBinding', { organization, user, role: 'owner' })
  return token
}

async function ofProject(cloud: TestCloud, tenant: Tenant, role: string): Promise<string> {
  const user = `${tenant}-${role}`
  const token = await member(cloud, user)
  await cloud.run('iam.CreateProjectBinding', { project: `${tenant}-shop`, user, role })
  return token
}

/** A service account with a role everywhere, as the cloud's own daemons have it. */
async function daemon(cloud: TestCloud, name: string, role: string): Promise<string> {
  await cloud.run('iam.CreateServiceAccount', { project: 'default', name })
  await cloud.run('iam.CreateBinding', { serviceAccount: `default/${name}`, role })
  const { tokenValue } = await cloud.run('iam.IssueServiceAccountToken', {
    project: 'default',
    serviceAccount: name,
  })
  return String(tokenValue)
}

/** The same token under a signature of another key. */
function forged(token: string): string {
  const [prefix, uid] = token.split('_')
  return `${prefix}_${uid}_${'A'.repeat(43)}`
}

async function revoked(cloud: TestCloud): Promise<string> {
  const { token, tokenValue } = await cloud.run('iam.IssueToken', { user: 'admin' })
  await cloud.run('iam.RevokeToken', { token })
  return String(tokenValue)
}

async function suspended(cloud: TestCloud): Promise<string> {
  const token = await member(cloud, 'away', 'admin')
  await cloud.run('iam.SuspendUser', { name: 'away' })
  return token
}

/** Waits until a token is refused. Throws Error when it still works long after it should. */
async function refused(cloud: TestCloud, token: string, expiresAt: number): Promise<void> {
  for (;;) {
    try {
      await cloud.client(token).call('ClusterService/Status', {})
    } catch (error) {
      if (error instanceof Rejection && error.code === 'UNAUTHENTICATED') return
      throw error
    }
    if (Date.now() > expiresAt + 5000) throw new Error('a token works long after it has expired')
  }
}
