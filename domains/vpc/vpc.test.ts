import { describe, expect, it } from 'vitest'
import { addHost, addUser, type Case, checkSamples, networked, play, type Step, take } from '../testing.ts'
import vmContract from '../vm/contract.ts'
import contract from './contract.ts'

const inDefault = (name: string, more: object = {}): object => ({ project: 'default', name, ...more })
const other: Step = ['vpc.CreateVpc', inDefault('other', { cidr: '10.0.0.0/16' })]
const tiny: Step = ['vpc.CreateSubnet', inDefault('tiny', { vpc: 'net', cidr: '10.0.1.0/29' })]
const inTiny = (name: string, more: object = {}): Step => [
  'vpc.AllocatePort',
  inDefault(name, { subnet: 'tiny', ...more }),
]
const full = ['a', 'b', 'c', 'd', 'e'].map((name) => inTiny(name))
const web: Step = ['vpc.CreateSecurityGroup', inDefault('web', { vpc: 'net' })]
const rule = { direction: 'ingress', protocol: 'tcp', portFirst: 80, portLast: 80 }

const cases: readonly Case[] = [
  { name: 'a vpc may overlap another', when: other, gives: ['vpc.VpcCreated'] },
  {
    name: 'a vpc’s range has no host bits',
    when: ['vpc.CreateVpc', inDefault('odd', { cidr: '10.0.3.0/16' })],
    gives: 'INVALID_ARGUMENT',
    saying: /the network is 10\.0\.0\.0\/16/,
  },
  {
    name: 'a vpc’s range is of use',
    when: ['vpc.CreateVpc', inDefault('odd', { cidr: '10.0.0.0/30' })],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a vpc’s range is one',
    when: ['vpc.CreateVpc', inDefault('odd', { cidr: '10.0.0/16' })],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a vpc’s zone is there',
    when: ['vpc.CreateVpc', inDefault('odd', { cidr: '10.0.0.0/16', dnsZone: 'nowhere.test' })],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a vpc’s zone stays while it is used',
    when: ['dns.DeleteZone', inDefault('demo.test')],
    gives: 'IN_USE',
    saying: /vpc.vpc net uses/,
  },
  {
    name: 'a vpc lets go of its zone',
    given: [['vpc.UpdateVpc', inDefault('net', { dnsZone: '' })]],
    when: ['dns.DeleteZone', inDefault('demo.test')],
    gives: ['credit.Released', 'dns.ZoneDeleted'],
  },
  {
    name: 'a vpc takes a zone',
    given: [other],
    when: ['vpc.UpdateVpc', inDefault('other', { dnsZone: 'Demo.test.' })],
    gives: ['vpc.VpcUpdated'],
  },
  {
    name: 'a vpc goes with its subnets and groups',
    given: [web],
    when: ['vpc.DeleteVpc', inDefault('net')],
    gives: ['vpc.SecurityGroupDeleted', 'vpc.SubnetDeleted', 'vpc.VpcDeleted'],
  },
  {
    name: 'a vpc with ports stays',
    given: [tiny, inTiny('a')],
    when: ['vpc.DeleteVpc', inDefault('net')],
    gives: 'IN_USE',
    saying: /vpc.port a uses vpc.subnet tiny/,
  },
  { name: 'a subnet is created', when: tiny, gives: ['vpc.SubnetCreated'] },
  {
    name: 'a subnet lies in its vpc',
    when: ['vpc.CreateSubnet', inDefault('far', { vpc: 'net', cidr: '10.1.0.0/24' })],
    gives: 'INVALID_ARGUMENT',
    saying: /not inside 10\.0\.0\.0\/16/,
  },
  {
    name: 'a subnet overlaps no other',
    when: ['vpc.CreateSubnet', inDefault('same', { vpc: 'net', cidr: '10.0.0.128/25' })],
    gives: 'FAILED_PRECONDITION',
    saying: /overlaps 10\.0\.0\.0\/24 of subnet front/,
  },
  {
    name: 'a subnet’s labels change',
    when: ['vpc.UpdateSubnet', inDefault('front', { labels: { tier: 'web' } })],
    gives: ['vpc.SubnetUpdated'],
  },
  { name: 'a subnet goes', when: ['vpc.DeleteSubnet', inDefault('front')], gives: ['vpc.SubnetDeleted'] },
  {
    name: 'a subnet with ports stays',
    given: [tiny, inTiny('a')],
    when: ['vpc.DeleteSubnet', inDefault('tiny')],
    gives: 'IN_USE',
  },
  { name: 'a security group is created', when: web, gives: ['vpc.SecurityGroupCreated'] },
  {
    name: 'its rules change',
    given: [web],
    when: ['vpc.UpdateSecurityGroup', inDefault('web', { rules: [rule] })],
    gives: ['vpc.SecurityGroupUpdated'],
  },
  {
    name: 'a rule’s ports ascend',
    given: [web],
    when: ['vpc.UpdateSecurityGroup', inDefault('web', { rules: [{ ...rule, portFirst: 81 }] })],
    gives: 'INVALID_ARGUMENT',
    saying: /portFirst 81 is above portLast 80/,
  },
  {
    name: 'a rule for icmp has no ports',
    given: [web],
    when: ['vpc.UpdateSecurityGroup', inDefault('web', { rules: [{ ...rule, protocol: 'icmp' }] })],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a rule’s range is one',
    when: [
      'vpc.CreateSecurityGroup',
      inDefault('web', { vpc: 'net', rules: [{ ...rule, remoteCidr: '10.0.0.1/8' }] }),
    ],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a security group goes',
    given: [web],
    when: ['vpc.DeleteSecurityGroup', inDefault('web')],
    gives: ['vpc.SecurityGroupDeleted'],
  },
  {
    name: 'a security group in use stays',
    given: [tiny, web, inTiny('a', { securityGroups: ['web'] })],
    when: ['vpc.DeleteSecurityGroup', inDefault('web')],
    gives: 'IN_USE',
  },
  {
    name: 'a port is allocated',
    given: [tiny],
    when: inTiny('a'),
    gives: ['vpc.PortAllocated', 'credit.Reserved'],
  },
  { name: 'a port needs a subnet', when: inTiny('a'), gives: 'NOT_FOUND' },
  {
    name: 'a port’s address is not the gateway’s',
    given: [tiny],
    when: inTiny('a', { address: '10.0.1.1' }),
    gives: 'INVALID_ARGUMENT',
    saying: /not from 10\.0\.1\.2 to 10\.0\.1\.6/,
  },
  {
    name: 'a port’s address is not taken',
    given: [tiny, inTiny('a')],
    when: inTiny('b', { address: '10.0.1.2' }),
    gives: 'ALREADY_EXISTS',
    saying: /of port a/,
  },
  {
    name: 'a subnet that is full says so',
    given: [tiny, ...full],
    when: inTiny('f'),
    gives: 'POOL_EXHAUSTED',
    saying: /tiny \(10\.0\.1\.0\/29\) has 5 addresses for ports, and all are taken/,
  },
  {
    name: 'an address that is given back is taken again',
    given: [tiny, ...full, ['vpc.ReleasePort', inDefault('c')]],
    when: inTiny('f'),
    gives: ['vpc.PortAllocated', 'credit.Reserved'],
  },
  {
    name: 'a port’s groups are of its vpc',
    given: [tiny, other, ['vpc.CreateSecurityGroup', inDefault('far', { vpc: 'other' })]],
    when: inTiny('a', { securityGroups: ['far'] }),
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a port’s instance is there',
    given: [tiny],
    when: inTiny('a', { instance: 'nobody' }),
    gives: 'NOT_FOUND',
  },
  {
    name: 'a port’s groups change',
    given: [tiny, web, inTiny('a')],
    when: ['vpc.UpdatePort', inDefault('a', { securityGroups: ['web'] })],
    gives: ['vpc.PortUpdated'],
  },
  {
    name: 'a port is bound',
    given: [tiny, inTiny('a')],
    when: [
      'vpc.BindPort',
      ({ state }) => ({
        port: state.resource(contract, 'port').values().next().value?.uid,
        state: 'binding',
        host: 'h',
        incarnation: 'i',
      }),
    ],
    gives: ['vpc.PortBound'],
  },
  {
    name: 'a port that is gone is not bound',
    when: ['vpc.BindPort', { port: 'none', state: 'down', host: null, incarnation: null }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a port is released with its quota',
    given: [tiny, inTiny('a')],
    when: ['vpc.ReleasePort', inDefault('a')],
    gives: ['credit.Released', 'vpc.PortReleased'],
  },
  { name: 'a port is released once', when: ['vpc.ReleasePort', inDefault('a')], gives: 'NOT_FOUND' },
]

describe('vpc', () => {
  it.each(cases)('$name', (example) => {
    play(networked(), example)
  })

  it('gives the lowest free address, and a MAC address made of it', () => {
    const scenario = networked()
    const allocate = (name: string, address?: string) =>
      scenario.run(contract, 'AllocatePort', { project: 'default', name, subnet: 'front', address })
    expect(allocate('a')).toMatchObject({ address: '10.0.0.2', mac: '02:00:0a:00:00:02' })
    expect(allocate('b', '10.0.0.3')).toMatchObject({ address: '10.0.0.3' })
    expect(allocate('c')).toMatchObject({ address: '10.0.0.4' })
    scenario.run(contract, 'ReleasePort', { project: 'default', name: 'a' })
    expect(allocate('d')).toMatchObject({ address: '10.0.0.2' })
    expect(allocate('e')).toMatchObject({ address: '10.0.0.5' })
  })

  it('does not look at every port of a large subnet to find a free address', () => {
    const scenario = networked()
    take(scenario, ['credit.SetQuota', { project: 'default', class: 'ports', limit: 100_000 }])
    scenario.run(contract, 'CreateVpc', { project: 'default', name: 'big', cidr: '10.0.0.0/8' })
    const subnet = 'large'
    scenario.run(contract, 'CreateSubnet', {
      project: 'default',
      name: subnet,
      vpc: 'big',
      cidr: '10.64.0.0/16',
    })
    const allocate = (n: number) =>
      scenario.run(contract, 'AllocatePort', { project: 'default', name: `p${n}`, subnet })
    for (let n = 0; n < 3000; n++) allocate(n)
    expect(allocate(3000).address).toBe('10.64.11.186')
    const { port } = scenario.state.view(scenario.registry.domains.get('vpc')?.state as never) as unknown as {
      port: { find: (...key: string[]) => unknown }
    }
    let lookups = 0
    const find = port.find.bind(port)
    port.find = (...key) => {
      lookups++
      return find(...key)
    }
    allocate(3001)
    expect(lookups).toBeLessThan(32)
  })

  it('keeps the port of an instance until the instance goes', () => {
    const scenario = networked()
    addHost(scenario, 'host-1')
    const request = { project: 'default', name: 'web', image: 'guest', subnet: 'front' }
    scenario.run(vmContract, 'CreateInstance', request)
    const { message } = scenario.rejected(
      contract,
      'ReleasePort',
      { project: 'default', name: 'web' },
      'FAILED_PRECONDITION',
    )
    expect(message).toMatch(/goes with instance web/)
    scenario.rejected(contract, 'DeleteSubnet', { project: 'default', name: 'front' }, 'IN_USE')
  })

  it('lets no tenant bind ports', () => {
    const scenario = networked()
    const as = { actor: addUser(scenario, 'ann', 'owner', 'default') }
    const request = { port: 'x', state: 'down', host: null, incarnation: null }
    scenario.rejected(contract, 'BindPort', request, 'PERMISSION_DENIED', as)
  })

  it('decodes a stored sample of every event', async () => {
    expect(await checkSamples('vpc')).toBeGreaterThanOrEqual(Object.keys(contract.events).length)
  })
})
