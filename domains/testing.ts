import dns from './dns/contract.ts'
import iam from './iam/contract.ts'
import type { Actor } from './kernel/domain.ts'
import { Scenario } from './kernel/testing.ts'
import { loadDomains } from './load.ts'
import vm from './vm/contract.ts'
import vpc from './vpc/contract.ts'

const registry = await loadDomains()

/** A cloud of all domains with its administrator, and the project `default`. For tests. */
export function bootstrapped(): Scenario {
  const scenario = new Scenario([...registry.domains.values()])
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
