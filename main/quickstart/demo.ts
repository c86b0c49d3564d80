import { newCommandId } from '../../domains/kernel/uuid.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'
import { eventually, runTool } from './tools.ts'

export const project = 'demo'
const zone = 'demo.test'
export const hostname = `web.${zone}`
export const guests = ['web-1', 'web-2'] as const
const BOOT_SECONDS = 180

/** Makes the demo: a network, a zone, two instances and a load balancer before them. Returns the balancer's address. */
export async function makeDemo(client: ApiClient, port: number): Promise<string> {
  const run = (type: string, data: object) => client.command({ type, data, commandId: newCommandId() })
  await run('iam.CreateProject', {
    organization: 'default',
    name: project,
    description: 'Made by the quickstart',
  })
  await run('dns.CreateZone', { project, name: zone })
  await run('vpc.CreateVpc', { project, name: 'net', cidr: '10.20.0.0/16', dnsZone: zone })
  await run('vpc.CreateSubnet', { project, name: 'web', vpc: 'net', cidr: '10.20.1.0/24' })
  await run('vm.RegisterImage', { name: 'guest' })
  for (const name of guests)
    await run('vm.CreateInstance', {
      project,
      name,
      image: 'guest',
      subnet: 'web',
      memoryMebibytes: 128,
    })
  const monitor = { type: 'HTTP', intervalMilliseconds: 500, timeoutMilliseconds: 400, rise: 1, fall: 2 }
  await run('lb.CreateLoadBalancer', { project, name: 'web' })
  await run('lb.CreatePool', { project, name: 'web', monitor })
  await run('lb.CreateListener', {
    project,
    name: 'http',
    loadBalancer: 'web',
    protocol: 'HTTP',
    port,
    pool: 'web',
  })
  for (const name of guests)
    await run('lb.CreateMember', { project, name, pool: 'web', instance: name, port: 80 })
  const { rows } = await client.read({ kind: 'lb.load_balancer', project, name: 'web' })
  const address = String(rows[0]?.['address'])
  await run('dns.PutRecordSet', { project, zone, name: 'web', type: 'A', values: [address] })
  return address
}

/** Waits until these instances' guests say that they serve. */
export async function guestsServe(
  client: ApiClient,
  names: readonly string[],
  update: (detail: string) => void,
): Promise<void> {
  await eventually('the guests', BOOT_SECONDS, async () => {
    const { rows } = await client.read({ kind: 'vm.instance', project })
    const ours = rows.filter((row) => names.includes(String(row['name'])))
    update(
      ours
        .map(
          (row) =>
            `${String(row['name'])} ${row['guestReady'] === true ? 'serves' : String(row['lifecycle'])}`,
        )
        .join(', '),
    )
    const waiting = ours.filter((row) => row['guestReady'] !== true || row['lifecycle'] !== 'running')
    if (ours.length === names.length && waiting.length === 0) return true
    const states = waiting.map((row) =>
      [row['name'], 'is', row['lifecycle'], `(${String(row['reason'])})`].map(String).join(' '),
    )
    throw new Error(states.join(', '))
  })
}

/** What the name server at `host:port` answers for a name, by dig. */
export async function dig(server: string, name: string): Promise<string> {
  const [host = '', port = ''] = server.split(':')
  return (await runTool('dig', [`@${host}`, '-p', port, '+short', '+tries=1', '+time=2', name])).trim()
}

/** Waits until dig gives an address for the demo's name. */
export function nameResolves(server: string, address: string): Promise<string> {
  return eventually(`the name ${hostname}`, 20, async () =>
    (await dig(server, hostname)) === address ? address : undefined,
  )
}

/** Waits until requests through the balancer, by curl, are answered by exactly these guests: each of them, in turn. */
export async function balancerReaches(
  address: string,
  port: number,
  names: readonly string[],
): Promise<readonly string[]> {
  return eventually(`answers from ${names.join(' and ')}`, 60, async () => {
    const answers: string[] = []
    for (let i = 0; i < 6; i++)
      answers.push(
        (await runTool('curl', ['-sS', '--max-time', '3', `http://${address}:${port}/`])).split(' ')[0] ?? '',
      )
    const inTurn = answers.every((answer, i) => i === 0 || names.length === 1 || answer !== answers[i - 1])
    if (inTurn && new Set(answers).size === names.length && answers.every((answer) => names.includes(answer)))
      return answers
    throw new Error(`they came from ${answers.join(', ')}`)
  })
}
