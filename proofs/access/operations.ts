import type { Kind } from '../../domains/kernel/registry.ts'
import { type Code, Rejection } from '../../domains/kernel/rejection.ts'
import { readPaths } from '../../edges/rest/reads.ts'
import type { RestAnswer, TestCloud } from './cloud.ts'
import { attempts, commandRequests } from './commands.ts'
import type { Population } from './tenants.ts'

/** What came of it: the code of a refusal; else whether rows of the red tenant were in the answer, where that is in question. */
export type Outcome = Code | 'ok' | 'ok, red' | 'ok, none of red'

/** One line of the matrix, tried with a token over every edge that has it. */
export interface Operation {
  readonly section: string
  readonly name: string
  /** One outcome an edge; all must say the same. */
  readonly edges: readonly ((token: string | undefined) => Promise<Outcome>)[]
}

const project = 'red-shop'

/** One of every kind that is there; reservations and tokens are named by uids. */
const names: Readonly<Record<string, string>> = {
  'credit.quota': 'instances',
  'dns.zone': 'red.test',
  'dns.record_set': 'www.red.test:A',
  'iam.organization': 'red',
  'iam.project': project,
  'iam.user': 'admin',
  'iam.service_account': 'robot',
  'iam.role': 'admin',
  'iam.binding': 'red-robot',
  'lb.load_balancer': 'red-lb',
  'lb.listener': 'red-listener',
  'lb.pool': 'red-pool',
  'lb.member': 'red-member',
  'vm.image': 'guest',
  'vm.host': 'machine',
  'vm.instance': 'red-vm',
  'vm.incarnation': 'red-vm.1',
  'vpc.vpc': 'red-net',
  'vpc.subnet': 'red-subnet',
  'vpc.security_group': 'red-group',
  'vpc.port': 'red-port',
}

/** Everything that can be asked of a cloud, derived from its registry and its interface. Throws Error for what has no request. */
export function operations(cloud: TestCloud, population: Population): readonly Operation[] {
  const { domains, kinds } = cloud.node.platform.engine.registry
  const commands = [...domains.values()].flatMap(({ contract }) =>
    Object.keys(contract.commands).map((name) => `${contract.name}.${name}`),
  )
  return [
    ...commands.map((type) => command(cloud, 'commands', type, type, requestOf(type))),
    ...attempts(population).map(([title, type, request]) => command(cloud, 'attempts', title, type, request)),
    ...[...kinds.values()].flatMap((kind) => reads(cloud, kind, nameOf(kind, population))),
    ...clusterOperations(cloud, population),
    ...openPaths(cloud),
  ]
}

function nameOf({ id }: Kind, { red }: Population): string {
  const name = id === 'credit.reservation' ? red.port : id === 'iam.token' ? red.robotToken : names[id]
  if (name === undefined)
    throw new Error(`${id} has no name in proofs/access/operations.ts: add one that is there`)
  return name
}

function requestOf(type: string): object {
  const request = commandRequests[type]
  if (request === undefined) throw new Error(`${type} has no request in proofs/access/commands.ts: add one`)
  return request
}

function command(cloud: TestCloud, section: string, name: string, type: string, data: object): Operation {
  return {
    section,
    name,
    edges: [
      (token) => outcome(async () => void (await cloud.client(token).command({ type, data, dryRun: true }))),
      async (token) => restOutcome(await cloud.rest(token, `/api/v1/commands/${type}?dry_run=true`, data)),
    ],
  }
}

function reads(cloud: TestCloud, kind: Kind, one: string): readonly Operation[] {
  const { scoped, all } = readPaths(kind)
  const inProject = kind.resource.scope === 'project'
  const scope = inProject ? { project } : {}
  const path = scoped.replace(':project', project)
  const section = 'reads'
  const get: Operation = {
    section,
    name: `get ${kind.id}${inProject ? ' in red-shop' : kind.id === 'iam.token' ? ' of robot' : ` ${one}`}`,
    edges: [
      async (token) =>
        seen(
          await outcome(
            async () => void (await cloud.client(token).read({ kind: kind.id, name: one, ...scope })),
          ),
        ),
      async (token) => seen(restOutcome(await cloud.rest(token, `${path}/${one}`))),
    ],
  }
  const listInProject: Operation = {
    section,
    name: `list ${kind.id} in red-shop`,
    edges: [
      (token) => outcome(async () => void (await cloud.client(token).read({ kind: kind.id, project }))),
      async (token) => restOutcome(await cloud.rest(token, path)),
    ],
  }
  const list: Operation = {
    section,
    name: `list ${kind.id}`,
    edges: [
      (token) => outcome(async () => shown((await cloud.client(token).read({ kind: kind.id })).rows)),
      async (token) => {
        const answer = await cloud.rest(token, all)
        return answer.status === 200 ? shown(answer.body['items'] as object[]) : restOutcome(answer)
      },
    ],
  }
  return inProject ? [get, listInProject, list] : [get, list]
}

/** Whether rows are of the red tenant: everything of red's is named so, and so is what it lives in. */
function shown(rows: readonly object[]): Outcome {
  return JSON.stringify(rows).includes('red') ? 'ok, red' : 'ok, none of red'
}

/** What is there and not found is not shown. */
function seen(found: Outcome): Outcome {
  return found === 'NOT_FOUND' ? 'ok, none of red' : found
}

type ClusterCall = readonly [method: string, request: object, path?: string]

function clusterOperations(cloud: TestCloud, { ownHost, otherHost }: Population): readonly Operation[] {
  const feed = (projection: string, slice = '') => ({ projection, slice, fromRevision: 0, history: '' })
  const beat = (realizer: string) => ({ realizer, realizedRevision: 0, history: '', incarnations: [] })
  const log = { from: 1, limit: 1, type: '', follow: false }
  const why = (kind: string, name: string, of = ''): ClusterCall => [
    'Why',
    { kind, name, project: of },
    `/api/v1/why/${kind}/${name}${of === '' ? '' : `?project=${of}`}`,
  ]
  const calls: Readonly<Record<string, ClusterCall>> = {
    Status: ['Status', {}, '/api/v1/status'],
    MemberList: ['MemberList', {}],
    Log: ['Log', log, '/api/v1/log?limit=1'],
    'Log, followed': ['Log', { ...log, follow: true }],
    Committed: ['Committed', {}],
    Diff: ['Diff', { from: '1', to: '' }, '/api/v1/diff?from=1'],
    'Why an instance in red-shop': why('vm.instance', 'red-vm', project),
    'Why project red-shop': why('iam.project', project),
    'Why organization red': why('iam.organization', 'red'),
    'Why user admin': why('iam.user', 'admin'),
    'Why host machine': why('vm.host', 'machine'),
    Backup: ['Backup', {}],
    'FollowFeed zones': ['FollowFeed', feed('zones')],
    'FollowFeed balancers': ['FollowFeed', feed('balancers')],
    'FollowFeed hosts, of host machine': ['FollowFeed', feed('hosts', ownHost)],
    'FollowFeed hosts, of host other-machine': ['FollowFeed', feed('hosts', otherHost)],
    'FollowFeed hosts, of all hosts': ['FollowFeed', feed('hosts')],
    'Heartbeat of host machine': ['Heartbeat', beat(`host/${ownHost}`)],
    'Heartbeat of host other-machine': ['Heartbeat', beat(`host/${otherHost}`)],
    'Heartbeat of name server one': ['Heartbeat', beat('dns/one')],
    'Heartbeat of balancer one': ['Heartbeat', beat('balancer/one')],
  }
  const methods = cloud.api.methods
    .filter(({ method }) => method.role === 'cluster')
    .map(({ method }) => method)
  const missing = methods.find(({ name }) => !Object.values(calls).some(([method]) => method === name))
  if (missing !== undefined)
    throw new Error(`ClusterService.${missing.name} has no request in proofs/access/operations.ts`)
  return Object.entries(calls).flatMap(([name, [method, request, path]]) => {
    const found = methods.find((each) => each.name === method)
    if (found === undefined) return []
    const grpc = (token: string | undefined): Promise<Outcome> =>
      callCluster(cloud, token, method, request, found.stream)
    const rest = async (token: string | undefined): Promise<Outcome> =>
      restOutcome(await cloud.rest(token, path ?? ''))
    return [{ section: 'cluster', name, edges: path === undefined ? [grpc] : [grpc, rest] }]
  })
}

function callCluster(
  cloud: TestCloud,
  token: string | undefined,
  method: string,
  request: object,
  stream: boolean,
): Promise<Outcome> {
  const client = cloud.client(token)
  const fields = { ...request }
  return outcome(async () => {
    if (!stream) {
      await client.call(`ClusterService/${method}`, fields)
      return
    }
    const stop = new AbortController()
    for await (const _ of client.stream(`ClusterService/${method}`, fields, stop.signal)) stop.abort()
  })
}

/** What everyone may read, with a token or without. */
function openPaths(cloud: TestCloud): readonly Operation[] {
  return ['/healthz', '/openapi.json'].map((path) => ({
    section: 'open',
    name: `GET ${path}`,
    edges: [async (token) => restOutcome(await cloud.rest(token, path))],
  }))
}

async function outcome(act: () => Promise<Outcome | void>): Promise<Outcome> {
  try {
    return (await act()) ?? 'ok'
  } catch (error) {
    if (error instanceof Rejection) return error.code
    throw error
  }
}

function restOutcome({ status, body }: RestAnswer): Outcome {
  return status === 200 ? 'ok' : (body['code'] as Code)
}
