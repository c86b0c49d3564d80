import { afterAll, beforeAll, expect, test } from 'vitest'
import { Rejection } from '../../domains/kernel/rejection.ts'
import { TestCloud } from './cloud.ts'
import { commandRequests } from './commands.ts'
import { type Population, populate, tokenOf } from './tenants.ts'

/** What a tenant learns of another by asking: nothing, not even whether something is there. */
let cloud: TestCloud
let population: Population

beforeAll(async () => {
  cloud = await TestCloud.start()
  population = await populate(cloud)
})

afterAll(async () => {
  await cloud?.close()
})

const missingUid = '00000000-0000-7000-8000-000000000000'

/** What a client is told, with the given names taken out. */
async function told(act: () => Promise<unknown>, ...names: readonly string[]): Promise<string> {
  try {
    return `answered ${JSON.stringify(await act())}`
  } catch (error) {
    if (!(error instanceof Rejection)) throw error
    const { code, message, details } = error
    return names.reduce(
      (text, name) => text.replaceAll(name, '…'),
      JSON.stringify({ code, message, details }),
    )
  }
}

function tries(type: string, data: object, by: string) {
  return () => cloud.client(tokenOf(population, by)).command({ type, data, dryRun: true })
}

test('a command on another tenant is refused alike whether the tenant is there or not', async () => {
  const { domains } = cloud.node.platform.engine.registry
  const scoped = [...domains.values()].flatMap(({ contract }) =>
    Object.entries(contract.commands).flatMap(([name, { scope }]) =>
      scope === 'system' ? [] : [{ type: `${contract.name}.${name}`, scope }],
    ),
  )
  expect(scoped.length).toBeGreaterThan(40)
  for (const { type, scope } of scoped) {
    const request = { ...commandRequests[type] }
    const there = scope === 'project' ? 'red-shop' : 'red'
    for (const by of ['OO', 'OP', 'un']) {
      const known = await told(tries(type, request, by), there)
      const unknown = await told(tries(type, { ...request, [scope]: 'nowhere' }, by), 'nowhere')
      expect(known, `${type} by ${by}`).toBe(unknown)
      expect(known).toContain('PERMISSION_DENIED')
    }
  }
})

test('what another tenant has is not there for one’s own commands', async () => {
  const { red } = population
  const project = 'blue-shop'
  const instance = { project, name: 'new', image: 'guest', subnet: 'blue-subnet' }
  const listener = {
    project,
    name: 'new',
    loadBalancer: 'blue-lb',
    protocol: 'TCP',
    port: 81,
    pool: 'blue-pool',
  }
  const member = { project, name: 'new', pool: 'blue-pool', port: 80 }
  const records = { project, zone: 'blue.test', name: 'new', type: 'A', values: ['192.0.2.3'] }
  const cases: readonly (readonly [
    type: string,
    request: object,
    field: string,
    theirs: string,
    missing: string,
  ])[] = [
    ['vm.CreateInstance', instance, 'subnet', 'red-subnet', 'nothing'],
    ['vm.CreateInstance', instance, 'securityGroups', 'red-group', 'nothing'],
    ['vpc.CreateVpc', { project, name: 'new', cidr: '10.0.0.0/16' }, 'dnsZone', 'red.test', 'nothing.test'],
    ['vpc.UpdateVpc', { project, name: 'blue-net' }, 'dnsZone', 'red.test', 'nothing.test'],
    ['vpc.CreateSubnet', { project, name: 'new', cidr: '10.0.9.0/24' }, 'vpc', 'red-net', 'nothing'],
    ['vpc.CreateSecurityGroup', { project, name: 'new' }, 'vpc', 'red-net', 'nothing'],
    ['vpc.AllocatePort', { project, name: 'new' }, 'subnet', 'red-subnet', 'nothing'],
    [
      'vpc.AllocatePort',
      { project, name: 'new', subnet: 'blue-subnet' },
      'instance',
      red.instance,
      missingUid,
    ],
    ['vpc.UpdatePort', { project, name: 'blue-port' }, 'securityGroups', 'red-group', 'nothing'],
    ['dns.PutRecordSet', records, 'zone', 'red.test', 'nothing.test'],
    ['dns.PutRecordSet', records, 'instance', red.instance, missingUid],
    ['lb.CreateListener', listener, 'loadBalancer', 'red-lb', 'nothing'],
    ['lb.CreateListener', listener, 'pool', 'red-pool', 'nothing'],
    ['lb.UpdateListener', { project, name: 'blue-listener' }, 'pool', 'red-pool', 'nothing'],
    ['lb.CreateMember', { ...member, address: '192.0.2.4' }, 'pool', 'red-pool', 'nothing'],
    ['lb.CreateMember', member, 'instance', 'red-vm', 'nothing'],
    ['vm.StartInstance', { project }, 'name', 'red-vm', 'nothing'],
    ['vm.DeleteInstance', { project }, 'name', 'red-vm', 'nothing'],
    ['iam.IssueServiceAccountToken', { project }, 'serviceAccount', 'red-robot', 'nothing'],
    ['iam.RevokeServiceAccountToken', { project }, 'token', red.robotToken, missingUid],
    ['iam.DeleteProjectBinding', { project }, 'name', 'red-robot', 'nothing'],
    [
      'iam.CreateProjectBinding',
      { project, role: 'viewer' },
      'serviceAccount',
      'red-shop/robot',
      'red-shop/nothing',
    ],
    [
      'iam.CreateProjectBinding',
      { project, role: 'viewer' },
      'serviceAccount',
      'red-shop/robot',
      'nothing/robot',
    ],
  ]
  for (const [type, request, field, theirs, missing] of cases) {
    const value = (name: string): unknown => (field === 'securityGroups' ? [name] : name)
    const of = (name: string): string => name.split('/')[0] ?? ''
    const known = await told(tries(type, { ...request, [field]: value(theirs) }, 'OP'), theirs, of(theirs))
    const unknown = await told(
      tries(type, { ...request, [field]: value(missing) }, 'OP'),
      missing,
      of(missing),
    )
    expect(known, `${type} with ${field} ${theirs}`).toBe(unknown)
    expect(known).toMatch(/NOT_FOUND|PERMISSION_DENIED/)
  }
})

test('no read shows what another tenant has', async () => {
  const client = cloud.client(tokenOf(population, 'OP'))
  for (const kind of cloud.node.platform.engine.registry.kinds.values()) {
    if (kind.resource.scope !== 'project') continue
    const { rows } = await cloud.admin.read({ kind: kind.id, project: 'red-shop', pageSize: 1 })
    const uid = String(rows[0]?.['uid'])
    const read = (request: object) => () => client.read({ kind: kind.id, ...request })
    expect(await told(read({ uid }), uid), kind.id).toBe(await told(read({ uid: missingUid }), missingUid))
    expect(await told(read({ uid }), uid)).toContain('NOT_FOUND')
    expect(await told(read({ uid, project: 'blue-shop' }), uid)).toContain('NOT_FOUND')
    for (const filter of [{ uid }, { project: 'red-shop' }, { name: String(rows[0]?.['name']) }]) {
      const found = await client.read({ kind: kind.id, filter })
      expect(JSON.stringify(found.rows), `${kind.id} by ${JSON.stringify(filter)}`).not.toContain('red')
    }
    const theirs = await told(read({ project: 'red-shop' }), 'red-shop')
    expect(theirs).toBe(await told(read({ project: 'nowhere' }), 'nowhere'))
    expect(theirs).toContain('PERMISSION_DENIED')
  }
})

test('the page token of someone who may see more shows no more', async () => {
  const client = cloud.client(tokenOf(population, 'OP'))
  const page = await cloud.admin.read({ kind: 'vpc.port', pageSize: 1 })
  expect(page.nextPageToken).not.toBe('')
  const rest = await client.read({ kind: 'vpc.port', pageToken: page.nextPageToken })
  expect(JSON.stringify(rest.rows)).not.toContain('red')
  const forged = Buffer.from(
    JSON.stringify({ history: page.history, revision: page.revision, after: ['red-aaaa', '', ''] }),
  ).toString('base64url')
  const found = await client.read({ kind: 'vpc.port', pageToken: forged })
  expect(JSON.stringify(found.rows)).not.toContain('red')
})

test('why says the same of what another tenant has as of what is not there', async () => {
  const why =
    (kind: string, name: string, project = '') =>
    () =>
      cloud.client(tokenOf(population, 'OP')).call('ClusterService/Why', { kind, name, project })
  const known = await told(why('vm.instance', 'red-vm', 'red-shop'), 'red-shop')
  expect(known).toBe(await told(why('vm.instance', 'red-vm', 'nowhere'), 'nowhere'))
  expect(known).toContain('PERMISSION_DENIED')
  expect(await told(why('iam.project', 'red-shop'), 'red-shop')).toBe(
    await told(why('iam.project', 'nowhere'), 'nowhere'),
  )
  expect(await told(why('iam.user', 'admin'), 'admin')).toBe(await told(why('iam.user', 'nobody'), 'nobody'))
})

test('a host learns nothing of other hosts', async () => {
  const { otherHost, ownHost } = population
  const client = cloud.client(tokenOf(population, 'ho'))
  const feed = (slice: string) => async () => {
    const request = { projection: 'hosts', slice, fromRevision: 0, history: '' }
    for await (const batch of client.feedMessages(request, AbortSignal.timeout(5000))) return batch
    return undefined
  }
  const beat = (realizer: string) => ({ realizer, realizedRevision: 0, history: '', incarnations: [] })
  const beats = (uid: string) => () => client.heartbeat(beat(`host/${uid}`))
  expect(await told(feed(otherHost), otherHost)).toBe(await told(feed(missingUid), missingUid))
  expect(await told(beats(otherHost), otherHost)).toBe(await told(beats(missingUid), missingUid))
  expect(await told(beats(otherHost))).toContain('PERMISSION_DENIED')
  for (const realizer of ['host/', `host/${ownHost}/1`, 'host', 'hosts/one', 'dns/', 'dns/a b'])
    expect(await told(() => cloud.admin.heartbeat(beat(realizer)))).toContain('INVALID_ARGUMENT')
})

test('a name server and a balancer speak for the node that their account is named after', async () => {
  const beat = (realizer: string) => ({ realizer, realizedRevision: 0, history: '', incarnations: [] })
  for (const [code, kind] of [
    ['dn', 'dns'],
    ['ba', 'balancer'],
  ] as const) {
    const client = cloud.client(tokenOf(population, code))
    expect(await told(() => client.heartbeat(beat(`${kind}/two`)))).toContain(
      `heartbeats of ${kind}/two come from the service account ${kind}-two alone`,
    )
    await client.heartbeat(beat(`${kind}/one`))
    await cloud.admin.heartbeat(beat(`${kind}/two`))
  }
})

test('no token is anywhere but in the answer that issued it', async () => {
  const values = population.principals.flatMap((principal) => principal.token ?? [])
  const signatures = values.map((value) => value.slice(-43)).filter((text) => !/^A+$/.test(text))
  const texts: string[] = []
  for (const kind of cloud.node.platform.engine.registry.kinds.values())
    texts.push(JSON.stringify((await cloud.admin.read({ kind: kind.id, pageSize: 1000 })).rows))
  const log = { from: 1, limit: 1000, type: '', follow: false }
  for await (const page of cloud.admin.stream('ClusterService/Log', log, AbortSignal.timeout(10_000)))
    texts.push(JSON.stringify(page))
  texts.push(JSON.stringify(await cloud.admin.call('ClusterService/Diff', { from: '1', to: '' })))
  const all = texts.join('\n')
  expect(all).toContain('iam.IssueToken')
  expect(signatures.length).toBeGreaterThan(10)
  for (const signature of signatures) expect(all).not.toContain(signature)
})
