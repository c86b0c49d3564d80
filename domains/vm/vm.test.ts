import { describe, expect, it } from 'vitest'
import { usage } from '../credit/usage.ts'
import type { Actor } from '../kernel/domain.ts'
import type { Scenario } from '../kernel/testing.ts'
import { addHost, addUser, checkSamples, networked, take } from '../testing.ts'
import contract from './contract.ts'
import { hostOf, incarnationOf, instanceOf, report } from './testing.ts'

import { inDefault } from './testing_steps.ts'

function created(): { scenario: Scenario; actor: Actor } {
  const scenario = networked()
  const actor = addHost(scenario, 'host-1')
  scenario.run(contract, 'CreateInstance', inDefault('web', { image: 'guest', subnet: 'front' }))
  return { scenario, actor }
}

describe('vm', () => {
  it('tells where an instance is, and why there', () => {
    const scenario = networked()
    addHost(scenario, 'host-1', { vcpus: 1, memoryMebibytes: 128 })
    addHost(scenario, 'host-2')
    const result = scenario.run(
      contract,
      'CreateInstance',
      inDefault('web', { image: 'guest', subnet: 'front', address: '10.0.0.77' }),
    )
    expect(result).toMatchObject({ address: '10.0.0.77', host: 'host-2', dnsName: 'web.demo.test' })
    expect(incarnationOf(scenario, 'web').placement).toEqual([
      {
        host: 'host-1',
        chosen: false,
        reason: '256 MiB of memory are wanted, and 128 of 128 are free',
      },
      { host: 'host-2', chosen: true, reason: '0 % is given out, tcg' },
    ])
    expect(instanceOf(scenario, 'web')).toMatchObject({
      lifecycle: 'creating',
      generation: 1,
      conditions: [{ type: 'Placed', status: true }],
    })
  })

  it('shows on the instance what its host reports', () => {
    const { scenario, actor } = created()
    const forwards = [
      { port: instanceOf(scenario, 'web').port, guestPort: 80, address: '127.0.0.1', hostPort: 4080 },
    ]
    report(scenario, actor, 'web', 'running', { guestReady: true, forwards, acceleration: 'tcg' })
    expect(instanceOf(scenario, 'web')).toMatchObject({ lifecycle: 'running', guestReady: true, forwards })
    expect(incarnationOf(scenario, 'web')).toMatchObject({ acceleration: 'tcg', since: scenario.now })
    report(scenario, actor, 'web', 'failed', {
      reason: 'KilledBySignal: SIGKILL',
      forwards,
      guestReady: true,
    })
    expect(instanceOf(scenario, 'web')).toMatchObject({
      lifecycle: 'failed',
      reason: 'KilledBySignal: SIGKILL',
      guestReady: false,
      forwards: [],
      host: null,
      failures: 1,
      retryAt: scenario.now + 1000,
    })
  })

  it('counts against the quota from the entry that creates to the one that gives back', () => {
    const { scenario, actor } = created()
    const used = () =>
      Object.fromEntries(usage(scenario.state, 'default').map((row) => [row.class, row.used]))
    const all = { instances: 1, vcpus: 1, 'memory-mib': 256, ports: 1 }
    expect(used()).toMatchObject(all)
    scenario.run(contract, 'StopInstance', inDefault('web'))
    report(scenario, actor, 'web', 'stopped')
    expect(used()).toMatchObject(all)
    scenario.run(contract, 'StartInstance', inDefault('web'))
    scenario.run(contract, 'DeleteInstance', inDefault('web'))
    expect(used()).toMatchObject(all)
    report(scenario, actor, 'web', 'destroyed')
    expect(used()).toMatchObject({ instances: 0, vcpus: 0, 'memory-mib': 0, ports: 0 })
  })

  it('takes the word of a host for its own incarnations alone', () => {
    const { scenario } = created()
    const { uid: incarnation } = incarnationOf(scenario, 'web')
    const request = { incarnation, generation: 1, lifecycle: 'destroyed' }
    for (const actor of [addHost(scenario, 'host-2'), addUser(scenario, 'ann', 'admin')])
      scenario.rejected(contract, 'ReportIncarnation', request, 'PERMISSION_DENIED', { actor })
    const tenant = addUser(scenario, 'bob', 'owner', 'default')
    scenario.rejected(contract, 'ReportIncarnation', request, 'PERMISSION_DENIED', { actor: tenant })
    const other = addHost(scenario, 'host-3')
    const report = { name: 'host-1', seenRevision: 1_000_000, incarnations: [] }
    scenario.rejected(contract, 'ReportHost', report, 'PERMISSION_DENIED', { actor: other })
    const registration = { name: 'host-1', vcpus: 1, memoryMebibytes: 1, acceleration: 'tcg' }
    scenario.rejected(contract, 'RegisterHost', registration, 'PERMISSION_DENIED', { actor: other })
  })

  it('keeps what was fenced until its host says that it is destroyed', () => {
    const { scenario, actor } = created()
    report(scenario, actor, 'web', 'running')
    const fenced = incarnationOf(scenario, 'web').uid
    scenario.run(contract, 'SuspectHost', { name: 'host-1' })
    scenario.run(contract, 'FenceHost', { name: 'host-1', evidence: 'power is off' })
    addHost(scenario, 'host-2')
    scenario.run(contract, 'PlaceInstance', { instance: instanceOf(scenario, 'web').uid })
    expect(incarnationOf(scenario, 'web')).toMatchObject({
      generation: 2,
      host: hostOf(scenario, 'host-2').uid,
    })
    const incarnations = scenario.state.resource(contract, 'incarnation')
    expect(incarnations.get(fenced)).toMatchObject({ lifecycle: 'fenced', intent: 'destroyed' })
    const destroyed = { incarnation: fenced, generation: 1, lifecycle: 'destroyed' }
    scenario.run(contract, 'ReportIncarnation', destroyed, { actor })
    expect(incarnations.get(fenced)).toBeUndefined()
    expect(instanceOf(scenario, 'web').lifecycle).toBe('creating')
    scenario.checkReplay()
  })

  it('shows on the host what it runs and the log does not know, for as long as it may run', () => {
    const { scenario, actor } = created()
    const stray = { incarnation: 'stray', generation: 3 }
    const say = (lifecycle: string) =>
      scenario.run(contract, 'ReportIncarnation', { ...stray, lifecycle, reason: 'unknown' }, { actor })
    say('quarantined')
    expect(hostOf(scenario, 'host-1').quarantined).toEqual([{ incarnation: 'stray', reason: 'unknown' }])
    say('destroyed')
    expect(hostOf(scenario, 'host-1').quarantined).toEqual([])
  })

  it('puts in doubt in parts what is too much for one entry', () => {
    const scenario = networked()
    addHost(scenario, 'host-1', { vcpus: 1024, memoryMebibytes: 1_000_000 })
    const quota = { project: 'default', limit: 10_000_000 }
    for (const counted of ['instances', 'vcpus', 'memory-mib', 'ports'])
      take(scenario, ['credit.SetQuota', { ...quota, class: counted }])
    take(scenario, ['vpc.CreateSubnet', inDefault('large', { vpc: 'net', cidr: '10.0.32.0/20' })])
    for (let n = 0; n < 1001; n++)
      scenario.run(contract, 'CreateInstance', inDefault(`i${n}`, { image: 'guest', subnet: 'large' }))
    const adopt = () => scenario.run(contract, 'AdoptHistory', { history: 'second' })
    expect(adopt()).toEqual({ doubted: 1000 })
    scenario.run(contract, 'CreateInstance', inDefault('new', { image: 'guest', subnet: 'large' }))
    expect(adopt()).toEqual({ doubted: 1 })
    expect(instanceOf(scenario, 'new').lifecycle).toBe('creating')
    scenario.rejected(contract, 'AdoptHistory', { history: 'second' }, 'FAILED_PRECONDITION')
  })

  it('publishes no name where the network has no zone', () => {
    const { scenario } = created()
    expect(instanceOf(scenario, 'web').dnsName).toBe('web.demo.test')
    take(scenario, ['vpc.CreateVpc', inDefault('bare', { cidr: '10.0.0.0/16' })])
    take(scenario, ['vpc.CreateSubnet', inDefault('bare', { vpc: 'bare', cidr: '10.0.0.0/24' })])
    scenario.run(contract, 'CreateInstance', inDefault('mute', { image: 'guest', subnet: 'bare' }))
    expect(instanceOf(scenario, 'mute')).toMatchObject({ dnsName: '', dnsRecord: null, address: '10.0.0.2' })
  })

  it('decodes a stored sample of every event', async () => {
    expect(await checkSamples('vm')).toBeGreaterThanOrEqual(Object.keys(contract.events).length)
  })
})
