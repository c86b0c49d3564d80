import { describe, expect, it } from 'vitest'
import { contractRegistry } from '../generate/derived_files.ts'
import { grpcEdge } from '../testing/edge.ts'
import { TOKEN } from '../testing/fake_control_plane.ts'
import { runTool, type ToolResult } from '../testing/run_tool.ts'
import { Api } from './api.ts'

/** buf's client: it knows nothing of the interface but what reflection says. */
function bufCurl(address: string, method: string, request: object, ...more: string[]): Promise<ToolResult> {
  const url = `http://${address}/${method}`
  const data = ['-d', JSON.stringify(request)]
  return runTool('buf', ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', ...data, ...more, url])
}

const authorized = ['-H', `authorization: Bearer ${TOKEN}`]
const box = {
  project: 'demo',
  name: 'first',
  size: '9007199254740991',
  rules: [{ port: 80, protocol: 'PROTOCOL_TCP' }],
  labels: { tier: 'front' },
}

describe('a client by reflection', () => {
  it('lists every method of every domain', async () => {
    const api = new Api(await contractRegistry())
    const { address } = await grpcEdge({ api })
    const args = ['curl', '--protocol', 'grpc', '--http2-prior-knowledge', '--list-methods']
    const { stdout } = await runTool('buf', [...args, `http://${address}`])
    const listed = stdout.trim().split('\n')
    for (const { path } of api.methods) expect(listed).toContain(path.slice(1))
    expect(listed).toContain('grpc.health.v1.Health/Check')
  })

  it('runs a command and reads what it made', async () => {
    const { address, control } = await grpcEdge()
    const command = { ...box, command_options: { command_id: 'once', wait: 'WAIT_PROJECTED' } }
    const made = await bufCurl(address, 'ultracloud.toy.v1.ToyService/CreateBox', command, ...authorized)
    expect(JSON.parse(made.stdout)).toEqual({
      uid: 'uid-1',
      commandOutcome: { revision: '1', history: 'history-1' },
    })
    expect(control.submitted[0]).toMatchObject({
      type: 'toy.CreateBox',
      commandId: 'once',
      wait: 'projected',
      dryRun: false,
      data: { ...box, size: Number(box.size), rules: [{ port: 80, protocol: 'tcp' }], note: null },
    })
    const get = {
      project: 'demo',
      name: 'first',
      read_options: { at: '2h', consistency: 'CONSISTENCY_STALE' },
    }
    const read = await bufCurl(address, 'ultracloud.toy.v1.ToyService/GetBox', get, ...authorized)
    expect(JSON.parse(read.stdout)).toMatchObject({
      box: { ...box, state: 'STATE_OPEN', revision: '1', ratio: 0.5 },
      readOutcome: { revision: '1' },
    })
    expect(control.reads[0]).toMatchObject({ kind: 'toy.box', at: '2h', consistency: 'stale' })
  })

  it('says why a command was refused', async () => {
    const { address } = await grpcEdge()
    const request = { ...box, name: 'Not A Name' }
    const { code, stderr } = await bufCurl(
      address,
      'ultracloud.toy.v1.ToyService/CreateBox',
      request,
      ...authorized,
    )
    expect(code).not.toBe(0)
    expect(JSON.parse(stderr)).toMatchObject({
      code: 'invalid_argument',
      message: expect.stringContaining('name: must be 1 to 63') as unknown,
    })
  })

  it('is refused without a token, and still learns whether the service is healthy', async () => {
    const { address } = await grpcEdge()
    const { stderr } = await bufCurl(address, 'ultracloud.cluster.v1.ClusterService/Status', {})
    expect(JSON.parse(stderr)).toMatchObject({ code: 'unauthenticated' })
    const health = await bufCurl(address, 'grpc.health.v1.Health/Check', {})
    expect(JSON.parse(health.stdout)).toEqual({ status: 'SERVING' })
  })
})
