import { describe, expect, it, onTestFinished } from 'vitest'
import type { Registry } from '../../domains/kernel/registry.ts'
import { Rejection } from '../../domains/kernel/rejection.ts'
import type { ReadReply, ReadRequest } from '../control_plane.ts'
import { Api } from '../grpc/api.ts'
import { Forwarder } from '../grpc/forward.ts'
import { startGrpcServer } from '../grpc/server.ts'
import { FakeControlPlane, TOKEN } from '../testing/fake_control_plane.ts'
import { runCli } from './run.ts'
import { captured, cli } from './testing_cli.ts'
import { contractRegistry } from './testing_contracts.ts'

const registry = await contractRegistry()
const HOST = '01890a5d-ac96-774b-bcce-b302099a8057'
const stamps = { revision: 3, createdRevision: 1, createdAt: 1000, updatedAt: 1000 }

/** A cloud of two instances on one host, whose image the caller may not read. */
class Instances extends FakeControlPlane {
  override readonly registry: Registry = registry
  readonly asked: ReadRequest[] = []

  override async read(_: unknown, request: ReadRequest): Promise<ReadReply> {
    this.asked.push(request)
    if (request.kind === 'vm.image') throw new Rejection('PERMISSION_DENIED', 'you may not read images')
    const { name } = request.filter ?? {}
    if (name !== undefined) return { revision: 3, history: 'h', rows: called(name), nextPageToken: '' }
    const rows =
      request.kind === 'vm.host' ? [{ uid: HOST, name: 'rack-1', ...stamps }] : [row('vm1'), row('vm2')]
    return { revision: 3, history: 'h', rows, nextPageToken: '' }
  }
}

/** What has a name: one `rack-1`, and a `front` in each of two projects. */
function called(name: string): readonly Readonly<Record<string, unknown>>[] {
  const uids = name === 'rack-1' ? [HOST] : name === 'front' ? ['subnet-uid', 'other-uid'] : []
  return uids.map((uid) => ({ ...row(name), uid }))
}

function row(name: string): Readonly<Record<string, unknown>> {
  const references = { image: '01234567-image-uid', host: HOST, subnet: 'subnet-uid' }
  return {
    uid: name,
    project: 'demo',
    name,
    intent: 'running',
    lifecycle: 'running',
    retryAt: Date.UTC(2030, 0, 31, 12),
    ...references,
    ...stamps,
  }
}

async function instances() {
  const control = new Instances()
  const api = new Api(registry)
  const forwarder = new Forwarder(api)
  const server = await startGrpcServer({
    control,
    api,
    forwarder,
    address: '127.0.0.1:0',
    onFault: () => undefined,
  })
  onTestFinished(async () => {
    forwarder.close()
    await server.close(0)
  })
  return { control, env: { ULTRACLOUD_SERVER: `127.0.0.1:${server.port}`, ULTRACLOUD_TOKEN: TOKEN } }
}

describe('a filter by what is referred to', () => {
  const uid = '01a21216-1fbb-7000-8d63-7298acaa06fd'

  it('takes its name, as it was then, or its uid', async () => {
    const { control, env } = await instances()
    const filters = ['--filter', 'host=rack-1', '--filter', 'lifecycle=running']
    await cli(['get', 'instances', '--project', 'demo', '--at', '2', ...filters], { env, registry })
    expect(control.asked.slice(0, 2)).toMatchObject([
      { kind: 'vm.host', filter: { name: 'rack-1' }, at: '2' },
      { kind: 'vm.instance', filter: { host: HOST, lifecycle: 'running' }, project: 'demo' },
    ])
    control.asked.length = 0
    await cli(['get', 'instances', '--filter', `host=${uid}`], { env, registry })
    expect(control.asked[0]).toMatchObject({ kind: 'vm.instance', filter: { host: uid } })
  })

  it.each([
    ['host=rack-2', 1, 'error: NOT_FOUND: --filter host: there is no vm.host rack-2\n'],
    [
      'subnet=front',
      2,
      'error: --filter subnet: several projects have a vpc.subnet front\nSay --project NAME, or the uid.\n',
    ],
  ])('says of %s what is wrong', async (filter, code, stderr) => {
    const { env } = await instances()
    const result = await cli(['get', 'instances', '--filter', filter], { env, registry })
    expect(result).toEqual({ code, stdout: '', stderr })
  })
})

describe('a table', () => {
  it('has names for uids, each asked for once, and a short uid for what may not be read', async () => {
    const { control, env } = await instances()
    const { code, stdout } = await cli(['get', 'instances', '--at', '2'], { env, registry })
    expect(code).toBe(0)
    const lines = stdout.trimEnd().split('\n')
    expect(lines[0]).toMatch(/^PROJECT +NAME +INTENT +LIFECYCLE +ADDRESS +PORT +IMAGE +HOST +DNS NAME +AGE$/)
    expect(lines[1]).toMatch(/^demo +vm1 +running +running +- +- +…mage-uid +rack-1 /)
    const lookups = control.asked.filter(({ uid }) => uid !== undefined)
    expect(lookups.map(({ kind, at = '' }) => `${kind} at ${at}`).sort()).toEqual([
      'vm.host at 2',
      'vm.image at 2',
    ])
  })

  it('has times for milliseconds', async () => {
    const { env } = await instances()
    const { stdout } = await cli(['get', 'instances', '-o', 'wide'], { env, registry })
    expect(stdout).toMatch(/ 2030-01-31 12:00:00Z /)
  })

  it('of changes has them, too, as they were and as they are', async () => {
    const { control, env } = await instances()
    const before = row('vm1')
    control.diff = async () => ({
      from: 2,
      to: 3,
      truncated: false,
      changes: [{ kind: 'vm.instance', uid: 'vm1', before, after: { ...before, host: null } }],
    })
    const { stdout } = await cli(['diff', '--from', '2', '--to', '3'], { env, registry })
    expect(stdout).toBe('revision 2 to 3: one change\n~ vm.instance demo/vm1\n    host: rack-1 → null\n')
    expect(control.asked.filter(({ kind }) => kind === 'vm.host')).toMatchObject([{ uid: HOST, at: '2' }])
  })

  it('is bold on a terminal alone, and not where NO_COLOR is set', async () => {
    const { env } = await instances()
    const print = async (isTTY: boolean, more = {}): Promise<string> => {
      const [out, err] = [captured(isTTY), captured()]
      const streams = { stdout: out.stream, stderr: err.stream }
      await runCli(['get', 'instances'], { ...streams, registry, env: { ...env, ...more }, extra: [] })
      return out.text()
    }
    expect(await print(true)).toContain('\u001B[1mPROJECT')
    expect(await print(true, { NO_COLOR: '1' })).not.toContain('\u001B')
    expect(await print(false)).not.toContain('\u001B')
  })
})
