import type { RowOf } from '../kernel/contract.ts'
import { type Actor, nameKey, type ProcessView } from '../kernel/domain.ts'
import type { Scenario } from '../kernel/testing.ts'
import contract from './contract.ts'
import type { host } from './contract_resources.ts'
import { processes } from './process.ts'
import state, { type Incarnation, type Instance } from './state.ts'

/** The row of an instance of project `default`. Throws Error where there is none. */
export function instanceOf({ state }: Scenario, name: string): Instance {
  const found = state.resource(contract, 'instance').find('name', nameKey('default', name))
  if (found === undefined) throw new Error(`there is no instance ${name}`)
  return found
}

/** The last incarnation of an instance. Throws Error where there is none. */
export function incarnationOf(scenario: Scenario, name: string): Incarnation {
  const { incarnation } = instanceOf(scenario, name)
  const found = scenario.state.resource(contract, 'incarnation').get(incarnation ?? '')
  if (found === undefined) throw new Error(`instance ${name} has no incarnation`)
  return found
}

export function hostOf({ state }: Scenario, name: string): RowOf<typeof host> {
  const found = state.resource(contract, 'host').find('name', nameKey('', name))
  if (found === undefined) throw new Error(`there is no host ${name}`)
  return found
}

/** A host says how the last incarnation of an instance is. */
export function report(
  scenario: Scenario,
  actor: Actor,
  name: string,
  lifecycle: string,
  more: object = {},
): void {
  const { uid: incarnation, generation } = incarnationOf(scenario, name)
  scenario.run(contract, 'ReportIncarnation', { incarnation, generation, lifecycle, ...more }, { actor })
}

export interface Leader {
  readonly leaderSince: number
  /** When each host was last heard of, by its uid. */
  readonly beats: ReadonlyMap<string, number>
  readonly history?: ProcessView['history']
}

/** Lets every process of vm look once, and runs what they want run; gives the commands. */
export function runProcesses(scenario: Scenario, { leaderSince, beats, history }: Leader): readonly string[] {
  const view: ProcessView<typeof state> = {
    state: scenario.state.view(state),
    now: scenario.now,
    leaderSince,
    history: history ?? { history: '', parent: '' },
    heartbeat: (uid) => beats.get(uid),
    resource: scenario.state.resource.bind(scenario.state),
    referrers: scenario.state.referrers.bind(scenario.state),
    view: scenario.state.view.bind(scenario.state),
  }
  return processes.flatMap(({ plan }) =>
    plan(view).map(({ type, data }) => {
      scenario.run(contract, type.replace('vm.', '') as 'PlaceInstance', data)
      return type
    }),
  )
}
