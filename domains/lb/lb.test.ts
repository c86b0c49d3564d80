import { describe, expect, it } from 'vitest'
import type { Scenario } from '../kernel/testing.ts'
import { addHost, addUser, type Case, checkSamples, networked, play, type Step } from '../testing.ts'
import vmContract from '../vm/contract.ts'
import contract from './contract.ts'

const inDefault = (name: string, more: object = {}): object => ({ project: 'default', name, ...more })
const front: Step = ['lb.CreateLoadBalancer', inDefault('front')]
const pool: Step = ['lb.CreatePool', inDefault('web', { monitor: { type: 'HTTP' } })]
const listener: Step = [
  'lb.CreateListener',
  inDefault('http', { loadBalancer: 'front', protocol: 'HTTP', port: 80, pool: 'web' }),
]
const member: Step = ['lb.CreateMember', inDefault('one', { pool: 'web', address: '192.0.2.1', port: 8080 })]
const health =
  (to: string) =>
  ({ state }: Scenario): object => ({
    changes: [
      { member: state.resource(contract, 'member').values().next().value?.uid, health: to, reason: 'tried' },
      { member: 'gone', health: to },
    ],
  })

const cases: readonly Case[] = [
  {
    name: 'a load balancer is created and counted',
    when: front,
    gives: ['lb.LoadBalancerCreated', 'credit.Reserved'],
  },
  {
    name: 'an address is taken once',
    given: [front],
    when: ['lb.CreateLoadBalancer', inDefault('other', { address: '127.77.0.1' })],
    gives: 'ALREADY_EXISTS',
  },
  {
    name: 'an address is of the pool',
    when: ['lb.CreateLoadBalancer', inDefault('other', { address: '127.0.0.1' })],
    gives: 'INVALID_ARGUMENT',
    saying: /127\.77\.0\.1 to 127\.77\.255\.254/,
  },
  {
    name: 'a load balancer’s labels change',
    given: [front],
    when: ['lb.UpdateLoadBalancer', inDefault('front', { labels: { a: 'b' } })],
    gives: ['lb.LoadBalancerUpdated'],
  },
  {
    name: 'a load balancer goes with its listeners and leaves the pool',
    given: [front, pool, member, listener],
    when: ['lb.DeleteLoadBalancer', inDefault('front')],
    gives: ['credit.Released', 'lb.ListenerDeleted', 'lb.LoadBalancerDeleted'],
  },
  { name: 'a pool is created', when: pool, gives: ['lb.PoolCreated'] },
  {
    name: 'a check is over before the next begins',
    when: ['lb.CreatePool', inDefault('web', { monitor: { type: 'TCP', timeoutMilliseconds: 3000 } })],
    gives: 'INVALID_ARGUMENT',
    saying: /above the interval of 2000/,
  },
  {
    name: 'a pool is changed',
    given: [pool],
    when: ['lb.UpdatePool', inDefault('web', { algorithm: 'SOURCE_IP' })],
    gives: ['lb.PoolUpdated'],
  },
  {
    name: 'a monitor is not both given and taken away',
    given: [pool],
    when: ['lb.UpdatePool', inDefault('web', { monitor: { type: 'TCP' }, withoutMonitor: true })],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a pool goes with its members',
    given: [pool, member],
    when: ['lb.DeletePool', inDefault('web')],
    gives: ['lb.MemberDeleted', 'lb.PoolDeleted'],
  },
  {
    name: 'a pool in use stays',
    given: [front, pool, listener],
    when: ['lb.DeletePool', inDefault('web')],
    gives: 'IN_USE',
    saying: /lb.listener http uses/,
  },
  { name: 'a listener is opened', given: [front, pool], when: listener, gives: ['lb.ListenerCreated'] },
  { name: 'a listener needs its pool', given: [front], when: listener, gives: 'NOT_FOUND' },
  {
    name: 'a port is listened on once',
    given: [front, pool, listener],
    when: [
      'lb.CreateListener',
      inDefault('again', { loadBalancer: 'front', protocol: 'TCP', port: 80, pool: 'web' }),
    ],
    gives: 'ALREADY_EXISTS',
    saying: /listener http has port 80/,
  },
  {
    name: 'a listener is changed',
    given: [front, pool, listener],
    when: ['lb.UpdateListener', inDefault('http', { port: 8080 })],
    gives: ['lb.ListenerUpdated'],
  },
  {
    name: 'a listener keeps its own port',
    given: [front, pool, listener],
    when: ['lb.UpdateListener', inDefault('http', { port: 80, protocol: 'TCP' })],
    gives: ['lb.ListenerUpdated'],
  },
  {
    name: 'a listener does not take another’s port',
    given: [
      front,
      pool,
      listener,
      [
        'lb.CreateListener',
        inDefault('tcp', { loadBalancer: 'front', protocol: 'TCP', port: 81, pool: 'web' }),
      ],
    ],
    when: ['lb.UpdateListener', inDefault('tcp', { port: 80 })],
    gives: 'ALREADY_EXISTS',
  },
  {
    name: 'a listener is closed',
    given: [front, pool, listener],
    when: ['lb.DeleteListener', inDefault('http')],
    gives: ['lb.ListenerDeleted'],
  },
  { name: 'a member is added', given: [pool], when: member, gives: ['lb.MemberCreated'] },
  {
    name: 'a member is an instance or an address',
    given: [pool],
    when: ['lb.CreateMember', inDefault('one', { pool: 'web', port: 80 })],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a member’s instance is there',
    given: [pool],
    when: ['lb.CreateMember', inDefault('one', { pool: 'web', instance: 'none', port: 80 })],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a tenant’s member is at no address that is near to the balancer',
    given: [pool],
    when: [
      'lb.CreateMember',
      inDefault('one', { pool: 'web', address: '169.254.169.254', port: 80 }),
      (scenario) => addUser(scenario, 'dora', 'editor', 'default'),
    ],
    gives: 'INVALID_ARGUMENT',
    saying: /169\.254\.169\.254 is no public address: a member is an instance .* or has a public address/,
  },
  {
    name: 'a tenant’s member may be at a public address',
    given: [pool],
    when: [member[0], member[1], (scenario) => addUser(scenario, 'dora', 'editor', 'default')],
    gives: ['lb.MemberCreated'],
  },
  {
    name: 'an operator’s member may be anywhere',
    given: [pool],
    when: [
      'lb.CreateMember',
      inDefault('one', { pool: 'web', address: '127.0.0.1', port: 80 }),
      (scenario) => addUser(scenario, 'oscar', 'admin'),
    ],
    gives: ['lb.MemberCreated'],
  },
  {
    name: 'a member’s weight is bounded',
    given: [pool, member],
    when: ['lb.UpdateMember', inDefault('one', { weight: 257 })],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a member is drained',
    given: [pool, member],
    when: ['lb.UpdateMember', inDefault('one', { drain: true })],
    gives: ['lb.MemberUpdated'],
  },
  {
    name: 'a member is taken out',
    given: [pool, member],
    when: ['lb.DeleteMember', inDefault('one')],
    gives: ['lb.MemberDeleted'],
  },
  {
    name: 'health is recorded, and who is gone is passed over',
    given: [pool, member],
    when: ['lb.ReportHealth', health('ONLINE')],
    gives: ['lb.MemberHealthChanged'],
  },
  {
    name: 'health that is no change is not recorded',
    given: [pool, member, ['lb.ReportHealth', health('ONLINE')]],
    when: ['lb.ReportHealth', health('ONLINE')],
    gives: [],
  },
]

describe('lb', () => {
  it.each(cases)('$name', (example) => {
    play(networked(), example)
  })

  it('gives the lowest free address of the pool', () => {
    const scenario = networked()
    const create = (name: string) =>
      scenario.run(contract, 'CreateLoadBalancer', { project: 'default', name })
    expect([create('a').address, create('b').address]).toEqual(['127.77.0.1', '127.77.0.2'])
    scenario.run(contract, 'DeleteLoadBalancer', { project: 'default', name: 'a' })
    expect(create('c').address).toBe('127.77.0.1')
  })

  it('takes a monitor away', () => {
    const scenario = networked()
    const { uid } = scenario.run(contract, 'CreatePool', {
      project: 'default',
      name: 'web',
      monitor: { type: 'HTTP' },
    })
    const monitor = () => scenario.state.resource(contract, 'pool').get(uid)?.monitor
    expect(monitor()).toMatchObject({ type: 'HTTP', path: '/', expectedCodes: '200', rise: 2, fall: 3 })
    scenario.run(contract, 'UpdatePool', { project: 'default', name: 'web', withoutMonitor: true })
    expect(monitor()).toBeNull()
  })

  it('lets a member go with its instance, which it never blocks', () => {
    const scenario = networked()
    addHost(scenario, 'host-1')
    const request = { project: 'default', name: 'web', image: 'guest', subnet: 'front', intent: 'stopped' }
    scenario.run(vmContract, 'CreateInstance', request)
    scenario.run(contract, 'CreatePool', { project: 'default', name: 'web' })
    const joined = { project: 'default', name: 'web', pool: 'web', instance: 'web', port: 80 }
    scenario.run(contract, 'CreateMember', joined)
    scenario.run(vmContract, 'DeleteInstance', { project: 'default', name: 'web' })
    expect(scenario.events.map(({ type }) => type)).toContain('lb.MemberDeleted')
    expect(scenario.state.resource(contract, 'member').size).toBe(0)
  })

  it('takes the word of balancers on health, not of tenants', () => {
    const scenario = networked()
    const request = { changes: [{ member: 'x', health: 'ONLINE' }] }
    const tenant = addUser(scenario, 'ann', 'owner', 'default')
    scenario.rejected(contract, 'ReportHealth', request, 'PERMISSION_DENIED', { actor: tenant })
    const balancer = addUser(scenario, 'balancer', 'balancer')
    expect(scenario.run(contract, 'ReportHealth', request, { actor: balancer })).toEqual({ recorded: 0 })
  })

  it('decodes a stored sample of every event', async () => {
    expect(await checkSamples('lb')).toBeGreaterThanOrEqual(Object.keys(contract.events).length)
  })
})
