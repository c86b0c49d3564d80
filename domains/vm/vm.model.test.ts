import { array, assert, boolean, constantFrom, integer, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { usage } from '../credit/usage.ts'
import dnsContract from '../dns/contract.ts'
import type { Scenario } from '../kernel/testing.ts'
import { addHost, networked } from '../testing.ts'
import { attempt } from '../testing_model.ts'
import vpcContract from '../vpc/contract.ts'
import contract from './contract.ts'
import { mayRun } from './contract_resources.ts'
import { hostOf, incarnationOf, instanceOf, runProcesses } from './testing.ts'

const names = ['a', 'b', 'c', 'd'] as const
const hosts = ['host-1', 'host-2'] as const
const name = constantFrom(...names)
const host = constantFrom(...hosts)
const action = oneof(
  { weight: 3, arbitrary: record({ do: constantFrom('create' as const), name, running: boolean() }) },
  {
    weight: 5,
    arbitrary: record({
      do: constantFrom('Start' as const, 'Stop' as const, 'Reboot' as const, 'Delete' as const),
      name,
    }),
  },
  {
    weight: 8,
    arbitrary: record({
      do: constantFrom('report' as const),
      name,
      lifecycle: constantFrom('starting', 'running', 'stopping', 'stopped', 'failed', 'destroyed'),
    }),
  },
  {
    weight: 4,
    arbitrary: record({ do: constantFrom('wait' as const), seconds: integer({ min: 0, max: 400 }) }),
  },
  {
    weight: 6,
    arbitrary: record({
      do: constantFrom('suspect' as const, 'fence' as const, 'register' as const, 'inventory' as const),
      host,
    }),
  },
  { weight: 1, arbitrary: record({ do: constantFrom('restore' as const) }) },
  { weight: 1, arbitrary: record({ do: constantFrom('place' as const), name }) },
)

/** An instance as a user sees it: what it should be, and whether something of it may run, and where. */
interface Modelled {
  intent: 'running' | 'stopped' | 'deleted'
  on: string | undefined
  /** What its incarnation should be. */
  asked: 'running' | 'stopped' | 'destroyed'
}

class Model {
  readonly instances = new Map<string, Modelled>()
  readonly health = new Map<string, string>(hosts.map((host) => [host, 'up']))

  get hasHost(): boolean {
    return [...this.health.values()].includes('up')
  }

  ended(name: string): void {
    const row = this.instances.get(name)
    if (row === undefined) return
    if (row.intent === 'deleted') this.instances.delete(name)
    else row.on = undefined
  }
}

function scenarioWithHosts(): Scenario {
  const scenario = networked()
  for (const name of hosts) addHost(scenario, name, { vcpus: 2, memoryMebibytes: 4096 })
  return scenario
}

/** What of an instance may run, as the log has it. */
function liveOn(scenario: Scenario, name: string): string | undefined {
  const { incarnation } = instanceOf(scenario, name)
  const row = scenario.state.resource(contract, 'incarnation').get(incarnation ?? '')
  if (row === undefined || !mayRun(row.lifecycle)) return undefined
  return scenario.state.resource(contract, 'host').get(row.host)?.name
}

function act(
  scenario: Scenario,
  model: Model,
  name: string,
  verb: 'Start' | 'Stop' | 'Reboot' | 'Delete',
): void {
  const row = model.instances.get(name)
  const { accepted } = attempt(scenario, [`vm.${verb}Instance`, { project: 'default', name }])
  if (row === undefined) {
    expect(accepted).toBe(false)
    return
  }
  const wanted = row.intent !== 'deleted'
  switch (verb) {
    case 'Start': {
      const already = row.intent === 'running' && row.on !== undefined && row.asked === 'running'
      expect(accepted).toBe(wanted && (already || row.on !== undefined || model.hasHost))
      if (!accepted) return
      row.intent = 'running'
      if (row.on === undefined) row.asked = 'running'
      row.on = liveOn(scenario, name)
      expect(row.on).toBeDefined()
      return
    }
    case 'Stop':
      expect(accepted).toBe(wanted)
      if (!accepted) return
      row.intent = 'stopped'
      row.asked = 'stopped'
      return
    case 'Reboot':
      expect(accepted).toBe(row.intent === 'running' && row.on !== undefined && row.asked === 'running')
      if (accepted) row.asked = 'stopped'
      return
    case 'Delete':
      expect(accepted).toBe(true)
      row.intent = 'deleted'
      row.asked = 'destroyed'
      if (row.on === undefined) model.instances.delete(name)
  }
}

function create(scenario: Scenario, model: Model, name: string, running: boolean): void {
  const request = { name, image: 'guest', subnet: 'front', intent: running ? 'running' : 'stopped' }
  const { accepted } = attempt(scenario, ['vm.CreateInstance', { project: 'default', ...request }])
  expect(accepted).toBe(!model.instances.has(name) && (!running || model.hasHost))
  if (!accepted) return
  const intent = running ? 'running' : 'stopped'
  model.instances.set(name, { intent, asked: 'running', on: liveOn(scenario, name) })
}

function reportOf(scenario: Scenario, model: Model, name: string, lifecycle: string): void {
  const row = model.instances.get(name)
  if (row === undefined || instanceOf(scenario, name).incarnation === null) return
  if (
    row.on === undefined &&
    scenario.state.resource(contract, 'incarnation').get(instanceOf(scenario, name).incarnation ?? '') ===
      undefined
  )
    return
  const { uid: incarnation, generation } = incarnationOf(scenario, name)
  const { accepted } = attempt(scenario, ['vm.ReportIncarnation', { incarnation, generation, lifecycle }])
  const runs = lifecycle === 'starting' || lifecycle === 'running' || lifecycle === 'stopping'
  expect(accepted).toBe(row.on !== undefined || !runs)
  if (accepted && !runs && row.on !== undefined) model.ended(name)
}

/** What a process of a deposed leader might still want. */
function place(scenario: Scenario, model: Model, name: string): void {
  const row = model.instances.get(name)
  if (row === undefined) return
  const { uid, retryAt } = instanceOf(scenario, name)
  const { accepted } = attempt(scenario, ['vm.PlaceInstance', { instance: uid }])
  const due = row.intent === 'running' && row.on === undefined && retryAt <= scenario.now
  if (!due || model.hasHost) expect(accepted).toBe(due)
  if (!accepted || !model.hasHost) return
  row.on = liveOn(scenario, name)
  row.asked = 'running'
}

/** Lets the processes look. Every host that is not suspected or fenced on purpose is heard of. */
function wait(scenario: Scenario, model: Model, seconds: number): void {
  scenario.now += seconds * 1000
  const heard = hosts.filter((host) => model.health.get(host) === 'up')
  const beats = new Map(heard.map((host) => [hostOf(scenario, host).uid, scenario.now]))
  const doubted = names.filter(
    (name) => model.instances.has(name) && instanceOf(scenario, name).lifecycle === 'unknown',
  )
  try {
    runProcesses(scenario, { leaderSince: 0, beats })
  } catch (error) {
    expect(String(error)).toMatch(/no host can take it/)
  }
  for (const name of doubted)
    if (!isThere(scenario, name) || liveOn(scenario, name) === undefined) model.ended(name)
  for (const [name, row] of model.instances) {
    const on = liveOn(scenario, name)
    if (row.on === undefined && on !== undefined) {
      expect(row.intent).toBe('running')
      expect(model.health.get(on)).toBe('up')
      row.on = on
      row.asked = 'running'
    }
  }
}

function isThere(scenario: Scenario, name: string): boolean {
  return [...scenario.state.resource(contract, 'instance').values()].some((row) => row.name === name)
}

function touchHost(scenario: Scenario, model: Model, host: string, what: string): void {
  const health = model.health.get(host)
  switch (what) {
    case 'suspect':
      expect(attempt(scenario, ['vm.SuspectHost', { name: host }]).accepted).toBe(health === 'up')
      if (health === 'up') model.health.set(host, 'suspected')
      return
    case 'fence': {
      const { accepted } = attempt(scenario, ['vm.FenceHost', { name: host, evidence: 'off' }])
      expect(accepted).toBe(health === 'suspected')
      if (!accepted) return
      model.health.set(host, 'fenced')
      for (const [name, { on }] of model.instances) if (on === host) model.ended(name)
      return
    }
    case 'register': {
      const request = { name: host, vcpus: 2, memoryMebibytes: 4096, acceleration: 'tcg' }
      expect(attempt(scenario, ['vm.RegisterHost', request]).accepted).toBe(true)
      if (health === 'suspected') attempt(scenario, ['vm.RecoverHost', { name: host }])
      model.health.set(host, 'up')
      return
    }
    default: {
      const request = { name: host, seenRevision: scenario.records.length, incarnations: [] }
      expect(attempt(scenario, ['vm.ReportHost', request]).accepted).toBe(true)
      for (const [name, { on, asked }] of model.instances)
        if (on === host && asked !== 'running') model.ended(name)
    }
  }
}

/** What holds whatever happens. */
function check(scenario: Scenario, model: Model): void {
  const { state } = scenario
  const instances = [...state.resource(contract, 'instance').values()]
  const incarnations = [...state.resource(contract, 'incarnation').values()]
  const ports = [...state.resource(vpcContract, 'port').values()]
  expect(new Map(instances.map((row) => [row.name, row.intent]))).toEqual(
    new Map([...model.instances].map(([name, { intent }]) => [name, intent])),
  )
  for (const [name, { on, intent, asked }] of model.instances) {
    expect([name, liveOn(scenario, name)]).toEqual([name, on])
    if (on !== undefined) expect([name, incarnationOf(scenario, name).intent]).toEqual([name, asked])
    if (intent === 'deleted') expect(on).toBeDefined()
  }
  const live = incarnations.filter(({ lifecycle }) => mayRun(lifecycle))
  expect(new Set(live.map(({ instance }) => instance)).size).toBe(live.length)
  expect(
    live.every((row) => state.resource(contract, 'instance').get(row.instance)?.incarnation === row.uid),
  ).toBe(true)
  expect(new Set(ports.map(({ instance }) => instance))).toEqual(new Set(instances.map(({ uid }) => uid)))
  expect(ports.length).toBe(instances.length)
  expect(new Set(ports.map(({ address }) => address)).size).toBe(ports.length)
  const records = [...state.resource(dnsContract, 'record_set').values()]
  expect(new Set(records.map(({ values }) => values[0]))).toEqual(
    new Set(instances.map(({ address }) => address)),
  )
  expect(records.length).toBe(instances.length)
  const used = Object.fromEntries(usage(state, 'default').map((row) => [row.class, row.used]))
  expect(used).toMatchObject({
    instances: instances.length,
    vcpus: instances.length,
    'memory-mib': instances.length * 256,
    ports: instances.length,
  })
}

test('whatever users, hosts and processes do, nothing runs twice, and nothing is held twice or lost', () => {
  const law = property(array(action, { maxLength: 60, size: 'max' }), (actions) => {
    const scenario = scenarioWithHosts()
    const model = new Model()
    let history = 0
    for (const one of actions) {
      switch (one.do) {
        case 'create':
          create(scenario, model, one.name, one.running)
          break
        case 'report':
          reportOf(scenario, model, one.name, one.lifecycle)
          break
        case 'wait':
          wait(scenario, model, one.seconds)
          break
        case 'place':
          place(scenario, model, one.name)
          break
        case 'restore':
          expect(attempt(scenario, ['vm.AdoptHistory', { history: `history-${history++}` }]).accepted).toBe(
            true,
          )
          break
        case 'suspect':
        case 'fence':
        case 'register':
        case 'inventory':
          touchHost(scenario, model, one.host, one.do)
          break
        default:
          act(scenario, model, one.name, one.do)
      }
      check(scenario, model)
    }
    scenario.checkReplay()
  })
  assert(law, { numRuns: 150 })
})
