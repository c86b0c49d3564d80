import { describe, expect, it } from 'vitest'
import { addHost, networked } from '../testing.ts'
import contract from './contract.ts'
import { hostOf, incarnationOf, instanceOf, report, runProcesses } from './testing.ts'

function running() {
  const scenario = networked()
  const actor = addHost(scenario, 'host-1')
  const request = { project: 'default', name: 'web', image: 'guest', subnet: 'front' }
  scenario.run(contract, 'CreateInstance', request)
  report(scenario, actor, 'web', 'running', { guestReady: true })
  const leaderSince = scenario.now
  const beats = new Map<string, number>()
  const look = () => runProcesses(scenario, { leaderSince, beats })
  const beat = (name = 'host-1') => beats.set(hostOf(scenario, name).uid, scenario.now)
  return { scenario, actor, look, beat }
}

describe('the processes of vm', () => {
  it('want nothing where all is as it should be', () => {
    const { scenario, look, beat } = running()
    beat()
    expect(look()).toEqual([])
    scenario.now += 15_000
    expect(look()).toEqual([])
  })

  it('suspect a host that is silent, after a grace for a new leader, and let it recover', () => {
    const { scenario, look, beat } = running()
    scenario.now += 15_000
    expect(look()).toEqual([])
    scenario.now += 1
    expect(look()).toEqual(['vm.SuspectHost'])
    expect(hostOf(scenario, 'host-1')).toMatchObject({
      health: 'suspected',
      healthReason: 'not heard of for 15 s',
    })
    expect(look()).toEqual([])
    beat()
    expect(look()).toEqual(['vm.RecoverHost'])
    expect(hostOf(scenario, 'host-1').health).toBe('up')
    expect(instanceOf(scenario, 'web').lifecycle).toBe('running')
  })

  it('give a host that has just registered, or again after it was fenced, the time to be heard of', () => {
    const { scenario, look, beat } = running()
    scenario.now += 60_000
    beat()
    const second = addHost(scenario, 'host-2')
    expect(look()).toEqual([])
    scenario.now += 15_001
    beat()
    expect(look()).toEqual(['vm.SuspectHost'])
    expect(hostOf(scenario, 'host-2').health).toBe('suspected')
    scenario.run(contract, 'FenceHost', { name: 'host-2', evidence: 'unplugged' })
    scenario.now += 15_001
    beat()
    const inventory = { name: 'host-2', acceleration: 'tcg', vcpus: 4, memoryMebibytes: 4096 }
    scenario.run(contract, 'RegisterHost', inventory, { actor: second })
    expect(hostOf(scenario, 'host-2').health).toBe('up')
    expect(look()).toEqual([])
  })

  it('start a failed instance anew after a wait that doubles, up to five minutes', () => {
    const { scenario, actor, look, beat } = running()
    const waits: number[] = []
    for (let n = 0; n < 12; n++) {
      report(scenario, actor, 'web', 'failed', { reason: 'Crash' })
      const { retryAt } = instanceOf(scenario, 'web')
      waits.push((retryAt - scenario.now) / 1000)
      scenario.now = retryAt - 1
      beat()
      expect(look()).toEqual([])
      scenario.now = retryAt
      expect(look()).toEqual(['vm.PlaceInstance'])
      expect(incarnationOf(scenario, 'web')).toMatchObject({ generation: n + 2, lifecycle: 'creating' })
    }
    expect(waits).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300])
    expect(scenario.state.resource(contract, 'incarnation').size).toBe(1)
  })

  it('count anew once an instance has run for a minute', () => {
    const { scenario, actor, look, beat } = running()
    report(scenario, actor, 'web', 'failed')
    scenario.now = instanceOf(scenario, 'web').retryAt
    beat()
    look()
    report(scenario, actor, 'web', 'running')
    scenario.now += 60_000
    report(scenario, actor, 'web', 'failed')
    expect(instanceOf(scenario, 'web').failures).toBe(1)
  })

  it('start an instance anew at once when it was told to reboot', () => {
    const { scenario, actor, look, beat } = running()
    scenario.run(contract, 'RebootInstance', { project: 'default', name: 'web' })
    beat()
    expect(look()).toEqual([])
    report(scenario, actor, 'web', 'stopped')
    expect(look()).toEqual(['vm.PlaceInstance'])
    expect(instanceOf(scenario, 'web')).toMatchObject({ generation: 2, failures: 0, address: '10.0.0.2' })
  })

  it('leave alone what was told to stop', () => {
    const { scenario, actor, look, beat } = running()
    scenario.run(contract, 'StopInstance', { project: 'default', name: 'web' })
    report(scenario, actor, 'web', 'stopped')
    scenario.now += 3_600_000
    beat()
    expect(look()).toEqual([])
    expect(instanceOf(scenario, 'web').lifecycle).toBe('stopped')
  })

  it('move an instance of a fenced host, and wait where there is no room, saying why', () => {
    const { scenario, look, beat } = running()
    scenario.now += 20_000
    expect(look()).toEqual(['vm.SuspectHost'])
    scenario.run(contract, 'FenceHost', { name: 'host-1', evidence: 'power is off' })
    expect(look()).toEqual(['vm.PlaceInstance'])
    expect(instanceOf(scenario, 'web')).toMatchObject({
      lifecycle: 'pending',
      retryAt: scenario.now + 5000,
      conditions: [
        {
          type: 'Placed',
          status: false,
          reason: 'NoCapacity',
          message: 'no host can take it: host-1: it is fenced: power is off',
        },
      ],
    })
    expect(look()).toEqual([])
    scenario.now += 5000
    expect(look).toThrow(/no host can take it/)
    addHost(scenario, 'host-2')
    beat('host-2')
    expect(look()).toEqual(['vm.PlaceInstance'])
    expect(incarnationOf(scenario, 'web')).toMatchObject({
      host: hostOf(scenario, 'host-2').uid,
      generation: 2,
    })
  })

  it('give up on what was in doubt once its host was heard for long enough without naming it, and start it anew', () => {
    const { scenario, look, beat } = running()
    scenario.run(contract, 'AdoptHistory', { history: 'second' })
    expect(instanceOf(scenario, 'web').lifecycle).toBe('unknown')
    scenario.now += 10_000
    beat()
    expect(look()).toEqual([])
    scenario.now += 20_001
    expect(look()).toEqual(['vm.SuspectHost'])
    beat()
    expect(look()).toEqual(['vm.RecoverHost', 'vm.RecordIncarnationGone'])
    expect(look()).toEqual(['vm.PlaceInstance'])
    expect(incarnationOf(scenario, 'web')).toMatchObject({ generation: 2, lifecycle: 'creating' })
    scenario.checkReplay()
  })

  it('doubt after a restore what this leader has not heard of itself', () => {
    const { scenario, actor } = running()
    const request = { project: 'default', name: 'other', image: 'guest', subnet: 'front' }
    scenario.run(contract, 'CreateInstance', request)
    scenario.now += 1000
    const leaderSince = scenario.now
    report(scenario, actor, 'other', 'running')
    const history = { history: 'second', parent: 'first' }
    const beats = new Map([[hostOf(scenario, 'host-1').uid, scenario.now]])
    const look = () => runProcesses(scenario, { leaderSince, beats, history })
    expect(look()).toEqual(['vm.AdoptHistory'])
    expect(instanceOf(scenario, 'web').lifecycle).toBe('unknown')
    expect(instanceOf(scenario, 'other').lifecycle).toBe('running')
    expect(look()).toEqual([])
  })

  it('empty a host one by one, as far as others have room', () => {
    const { scenario, actor, look, beat } = running()
    const request = { project: 'default', image: 'guest', subnet: 'front' }
    scenario.run(contract, 'CreateInstance', { ...request, name: 'other' })
    report(scenario, actor, 'other', 'running')
    scenario.run(contract, 'SetHostPolicy', { name: 'host-1', policy: 'evacuating' })
    beat()
    expect(look()).toEqual([])
    const roomy = addHost(scenario, 'host-2', { vcpus: 1, memoryMebibytes: 256 })
    beat('host-2')
    expect(look()).toEqual(['vm.RebootInstance'])
    expect(look()).toEqual([])
    const [moving, staying] =
      incarnationOf(scenario, 'web').intent === 'stopped' ? ['web', 'other'] : ['other', 'web']
    report(scenario, actor, moving, 'stopped')
    expect(look()).toEqual(['vm.PlaceInstance'])
    report(scenario, roomy, moving, 'running')
    expect(incarnationOf(scenario, moving).host).toBe(hostOf(scenario, 'host-2').uid)
    expect(look()).toEqual([])
    expect(instanceOf(scenario, staying).lifecycle).toBe('running')
  })
})
