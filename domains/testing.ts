import { readdir, readFile } from 'node:fs/promises'
import { expect } from 'vitest'
import dns from './dns/contract.ts'
import iam from './iam/contract.ts'
import type { Contract } from './kernel/contract.ts'
import type { Actor } from './kernel/domain.ts'
import type { StoredEvent } from './kernel/record.ts'
import type { Code } from './kernel/rejection.ts'
import { Scenario } from './kernel/testing.ts'
import { loadDomains } from './load.ts'
import vm from './vm/contract.ts'
import vpc from './vpc/contract.ts'

const registry = await loadDomains()

/** A cloud of all domains with its administrator, and the project `default`. For tests. */
export function bootstrapped(): Scenario {
  const scenario = new Scenario([...registry.all.values()])
  scenario.run(iam, 'Bootstrap', {})
  return scenario
}

/** Besides, in `default`: zone demo.test, vpc `net` that publishes there, subnet `front` of 10.0.0.0/24, image `guest`; no hosts. */
export function networked(): Scenario {
  const scenario = bootstrapped()
  scenario.run(dns, 'CreateZone', { project: 'default', name: 'demo.test' })
  scenario.run(vpc, 'CreateVpc', {
    project: 'default',
    name: 'net',
    cidr: '10.0.0.0/16',
    dnsZone: 'demo.test',
  })
  scenario.run(vpc, 'CreateSubnet', { project: 'default', name: 'front', vpc: 'net', cidr: '10.0.0.0/24' })
  scenario.run(vm, 'RegisterImage', { name: 'guest' })
  return scenario
}

/** Registers a host by a service account of its own, whose actor this gives. */
export function addHost(
  scenario: Scenario,
  name: string,
  size: { readonly vcpus: number; readonly memoryMebibytes: number } = { vcpus: 4, memoryMebibytes: 4096 },
): Actor {
  const { uid } = scenario.run(iam, 'CreateServiceAccount', { project: 'default', name })
  scenario.run(iam, 'CreateBinding', { serviceAccount: `default/${name}`, role: 'host' })
  const actor: Actor = { principal: uid, kind: 'service_account' }
  scenario.run(vm, 'RegisterHost', { name, acceleration: 'tcg', ...size }, { actor })
  return actor
}

/** A user with a role in a project, or everywhere without one. */
export function addUser(scenario: Scenario, name: string, role: string, project?: string): Actor {
  const { uid } = scenario.run(iam, 'CreateUser', { name })
  if (project === undefined) scenario.run(iam, 'CreateBinding', { user: name, role })
  else scenario.run(iam, 'CreateProjectBinding', { project, user: name, role })
  return { principal: uid, kind: 'user' }
}

/** `domain.Command`, its request (or what makes it of the scenario so far), and who acts: a process of the cloud when left away. */
export type Step = readonly [
  command: string,
  request: object | ((scenario: Scenario) => object),
  actor?: (scenario: Scenario) => Actor,
]

/** A case: what has happened, what is tried, and what comes of it: the events, or the code of the rejection. */
export interface Case {
  readonly name: string
  readonly given?: readonly Step[]
  readonly when: Step
  readonly gives: readonly string[] | Code
  /** What the rejection says. */
  readonly saying?: RegExp
}

function contractOf(command: string): [contract: Contract, name: string] {
  const [domain = '', name = ''] = command.split('.')
  const found = registry.all.get(domain)
  if (found === undefined) throw new TypeError(`there is no domain ${domain}`)
  return [found.contract, name]
}

/** Takes a step that must be accepted. */
export function take(scenario: Scenario, [command, request, actor]: Step): Readonly<Record<string, unknown>> {
  const [contract, name] = contractOf(command)
  const data = typeof request === 'function' ? (request as (of: Scenario) => object)(scenario) : request
  return scenario.run(contract, name, data, actor === undefined ? {} : { actor: actor(scenario) })
}

/** Plays a case in a scenario, and that replaying it gives the same. Throws where it comes out otherwise. */
export function play(scenario: Scenario, { given = [], when, gives, saying }: Case): void {
  for (const step of given) take(scenario, step)
  if (typeof gives === 'string') {
    const [command, request, actor] = when
    const [contract, name] = contractOf(command)
    const data = typeof request === 'function' ? (request as (of: Scenario) => object)(scenario) : request
    const as = actor === undefined ? {} : { actor: actor(scenario) }
    const { message } = scenario.rejected(contract, name, data, gives, as)
    if (saying !== undefined) expect(message).toMatch(saying)
  } else {
    take(scenario, when)
    expect(scenario.events.map(({ type }) => type)).toEqual(gives)
  }
  scenario.checkReplay()
}

/** Decodes every stored sample of a domain’s events as a log would be. Throws where one is missing, is of no event, or does not fit. */
export async function checkSamples(name: string): Promise<number> {
  const { contract, upcast } = registry.all.get(name) ?? {}
  if (contract === undefined) throw new TypeError(`there is no domain ${name}`)
  const directory = new URL(`${name}/samples/`, import.meta.url)
  const files = await readdir(directory)
  for (const [type, { version }] of Object.entries(contract.events)) {
    for (let old = 1; old <= version; old++) expect(files).toContain(`${type}@${old}.json`)
  }
  for (const file of files) {
    const stored = JSON.parse(await readFile(new URL(file, directory), 'utf8')) as StoredEvent
    const [, type = ''] = stored.type.split('.')
    const event = contract.events[type]
    expect(file).toBe(`${type}@${stored.version}.json`)
    if (event === undefined) throw new Error(`${file} is a sample of no event`)
    let data: Record<string, unknown> = { ...stored.data }
    for (let old = stored.version; old < event.version; old++)
      data = upcast?.[`${type}@${old}`]?.(data) ?? data
    expect(event.message.schema.safeParse(data), file).toMatchObject({ success: true })
  }
  return files.length
}
