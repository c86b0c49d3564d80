import { afterAll, beforeAll, expect, test } from 'vitest'
import { TestCloud } from './cloud.ts'
import { type Population, populate, tokenOf } from './tenants.ts'

/** The past is read by today's policy, and a name that another tenant had before does not open that tenant's past. */
let cloud: TestCloud
let population: Population

beforeAll(async () => {
  cloud = await TestCloud.start()
  population = await populate(cloud)
})

afterAll(async () => {
  await cloud?.close()
})

interface WhyAnswer {
  readonly entries: readonly {
    readonly command: string
    readonly requestJson: string
    readonly events: readonly { readonly type: string; readonly dataJson: string }[]
  }[]
}

async function why(by: string, kind: string, name: string, project: string): Promise<WhyAnswer['entries']> {
  const client = cloud.client(tokenOf(population, by))
  const answer = await client.call('ClusterService/Why', { kind, name, project })
  return (answer as unknown as WhyAnswer).entries
}

test('a project of the same name as one before shows nothing of the one before', async () => {
  const project = 'again'
  await cloud.run('iam.CreateProject', { organization: 'red', name: project })
  await cloud.run('vpc.CreateVpc', { project, name: 'net', cidr: '10.0.0.0/16', labels: { of: 'red' } })
  const { revision } = await cloud.admin.read({ kind: 'vpc.vpc', project })
  await cloud.run('vpc.DeleteVpc', { project, name: 'net' })
  await cloud.run('iam.DeleteProject', { project })
  await cloud.run('iam.CreateProject', { organization: 'blue', name: project })
  const at = String(revision)
  const blue = cloud.client(tokenOf(population, 'OO'))
  const before = { kind: 'vpc.vpc', at }
  expect((await cloud.admin.read({ ...before, project })).rows).toHaveLength(1)
  expect((await blue.read({ ...before, project })).rows).toEqual([])
  expect(JSON.stringify((await blue.read(before)).rows)).not.toContain('"of":"red"')
  expect(JSON.stringify((await blue.read({ kind: 'iam.project', at })).rows)).not.toContain(project)
  await expect(blue.read({ ...before, project, name: 'net' })).rejects.toMatchObject({ code: 'NOT_FOUND' })
  await expect(why('OO', 'vpc.vpc', 'net', project)).rejects.toMatchObject({ code: 'NOT_FOUND' })
  expect(await why('ad', 'vpc.vpc', 'net', project)).toHaveLength(2)
  await cloud.run('vpc.CreateVpc', { project, name: 'net', cidr: '10.0.0.0/16' })
  expect(await why('OO', 'vpc.vpc', 'net', project)).toHaveLength(1)
})

test('a list of a project that does not exist says so, to who may know', async () => {
  const list = { kind: 'vm.instance', project: 'nowhere' }
  await expect(cloud.admin.read(list)).rejects.toMatchObject({
    code: 'NOT_FOUND',
    message: expect.stringContaining('project nowhere does not exist'),
  })
  const overRest = await cloud.rest(cloud.adminToken, '/api/v1/projects/nowhere/vm/instances')
  expect(overRest.status).toBe(404)
  const owner = cloud.client(tokenOf(population, 'OO'))
  const denied = { code: 'PERMISSION_DENIED' }
  await expect(owner.read(list)).rejects.toMatchObject(denied)
  await expect(owner.read({ ...list, project: 'red-shop' })).rejects.toMatchObject(denied)
  await cloud.run('iam.CreateProject', { organization: 'red', name: 'late' })
  const late = await cloud.admin.read({ kind: 'vm.instance', project: 'late' })
  expect(late.rows).toEqual([])
  const before = { kind: 'vm.instance', project: 'late', at: String(late.revision - 1) }
  expect((await cloud.admin.read(before)).rows).toEqual([])
  await cloud.run('iam.DeleteProject', { project: 'late' })
  const then = { kind: 'vm.instance', project: 'late', at: String(late.revision) }
  expect((await cloud.admin.read(then)).rows).toEqual([])
  await expect(cloud.admin.read(before)).rejects.toMatchObject({ code: 'NOT_FOUND' })
})

test('why shows of an entry only what its reader may read', async () => {
  const { red, blue } = population
  const changes = [red, blue].map(({ member }) => ({ member, health: 'ONLINE' }))
  await cloud.run('lb.ReportHealth', { changes }, tokenOf(population, 'ba'))
  for (const name of ['machine', 'other-machine']) {
    await cloud.run('vm.SuspectHost', { name })
    await cloud.run('vm.FenceHost', { name, evidence: 'both were unplugged' })
  }
  const cases = [
    { kind: 'lb.member', name: 'red-member', command: 'lb.ReportHealth' },
    { kind: 'vm.instance', name: 'red-vm', command: 'vm.FenceHost' },
    { kind: 'vpc.port', name: 'red-vm', command: 'vm.FenceHost' },
  ]
  for (const { kind, name, command } of cases) {
    const all = (await why('ad', kind, name, 'red-shop')).find((entry) => entry.command === command)
    const some = (await why('vi', kind, name, 'red-shop')).find((entry) => entry.command === command)
    expect(some?.events.length, `${kind} ${name}`).toBeGreaterThan(0)
    expect(some?.events.length).toBeLessThan(all?.events.length ?? 0)
    expect(some?.requestJson).toBe('{}')
    for (const theirs of Object.values(blue)) expect(JSON.stringify(some)).not.toContain(theirs)
  }
})

test('why shows a whole entry to who may read all of it, also of what is gone', async () => {
  await cloud.run('vm.DeleteInstance', { project: 'red-shop', name: 'red-vm' })
  const [created] = await why('vi', 'vm.instance', 'red-vm', 'red-shop')
  const guest = expect.stringContaining('guest') as string
  expect(created).toMatchObject({ command: 'vm.CreateInstance', requestJson: guest })
  expect(created?.events.map(({ type }) => type)).toEqual(
    (await why('ad', 'vm.instance', 'red-vm', 'red-shop'))[0]?.events.map(({ type }) => type),
  )
})

test('why shows nothing of an instance to who may read its port alone', async () => {
  await cloud.run('iam.CreateRole', { name: 'ports', permissions: ['vpc.ports.get'] })
  await cloud.run('iam.CreateProjectBinding', { project: 'blue-shop', user: 'unbound', role: 'ports' })
  const [created] = await why('un', 'vpc.port', 'blue-vm', 'blue-shop')
  expect(created?.events.map(({ type }) => type)).toEqual(['vpc.PortAllocated', 'vpc.PortBound'])
  expect(JSON.stringify(created)).not.toContain('secret of blue')
})
