import type { Context } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import vpcContract from '../../vpc/contract.ts'
import contract from '../contract.ts'
import { mayRun } from '../contract_resources.ts'
import { type Explanation, place } from '../place.ts'
import type state from '../state.ts'
import type { Instance } from '../state.ts'
import { usageOf } from '../usage.ts'

export type VmContext = Context<typeof state>

/** Explanations kept with an incarnation or told with a rejection, at most. */
const EXPLANATIONS_MAX = 64
/** Explanations that fit a sentence. */
const SENTENCE_MAX = 8

/** The row of an instance. Rejects with NOT_FOUND. */
export function requireInstance(context: VmContext, uid: string): Instance {
  return context.state.instance.get(uid) ?? reject('NOT_FOUND', `vm.instance ${uid} does not exist`)
}

/** What keeps an instance from being placed; undefined when it was placed. */
export interface Obstacle {
  readonly message: string
  readonly explanations: readonly Explanation[]
}

/** Gives an instance that has nothing that may run its next incarnation, on the host that suits best. */
export function placeInstance(context: VmContext, uid: string): Obstacle | undefined {
  const instance = requireInstance(context, uid)
  const { state } = context
  const { chosen, explanations } = place(state.host.values(), (host) => usageOf(state, host), instance)
  if (chosen === undefined) return obstacle(explanations)
  forgetEnded(context, uid)
  const incarnation = context.uid()
  const generation = instance.generation + 1
  const { project, vcpus, memoryMebibytes } = instance
  context.emit('InstancePlaced', {
    uid: incarnation,
    project,
    name: `${instance.name}.${generation}`,
    labels: {},
    instance: uid,
    host: chosen.uid,
    generation,
    intent: 'running',
    lifecycle: 'creating',
    reason: '',
    vcpus,
    memoryMebibytes,
    forwards: [],
    acceleration: null,
    guestReady: false,
    since: context.now,
    placement: bounded(explanations),
  })
  context.emit('InstanceScheduled', {
    uid,
    host: chosen.uid,
    incarnation,
    generation,
    lifecycle: 'creating',
    reason: '',
    guestReady: false,
    forwards: [],
    conditions: [
      {
        type: 'Placed',
        status: true,
        reason: 'Placed',
        message: `generation ${generation} on ${chosen.name}`,
      },
    ],
  })
  bindPort(context, instance, 'binding', { host: chosen.uid, incarnation })
  return undefined
}

/** Rejects with NO_CAPACITY, saying of every host why not. */
export function requirePlaced(context: VmContext, uid: string): void {
  const found = placeInstance(context, uid)
  if (found !== undefined) reject('NO_CAPACITY', found.message, { hosts: bounded(found.explanations) })
}

/** Says who uses the port of an instance. */
export function bindPort(
  context: VmContext,
  { port }: Pick<Instance, 'port'>,
  state: 'down' | 'binding' | 'active',
  by: { readonly host: string; readonly incarnation: string } | null,
): void {
  if (port === null) return
  const { host, incarnation } = by ?? { host: null, incarnation: null }
  context.run(vpcContract, 'BindPort', { port, state, host, incarnation })
}

/** Fenced ones stay until their host says that they are destroyed. */
function forgetEnded(context: VmContext, instance: string): void {
  for (const { uid, lifecycle } of context.state.incarnation.list('instance', instance)) {
    if (!mayRun(lifecycle) && lifecycle !== 'fenced') context.remove(contract, 'incarnation', uid)
  }
}

function obstacle(explanations: readonly Explanation[]): Obstacle {
  if (explanations.length === 0) return { message: 'no host can take it: there are no hosts', explanations }
  const told = explanations.slice(0, SENTENCE_MAX).map(({ host, reason }) => `${host}: ${reason}`)
  const more = explanations.length > told.length ? `; and ${explanations.length - told.length} more` : ''
  return { message: `no host can take it: ${told.join('; ')}${more}`.slice(0, 2048), explanations }
}

/** The chosen one is always among them. */
function bounded(explanations: readonly Explanation[]): Explanation[] {
  const chosen = explanations.findIndex((explanation) => explanation.chosen)
  const kept = explanations.slice(0, EXPLANATIONS_MAX)
  const missing = chosen >= EXPLANATIONS_MAX ? explanations.slice(chosen, chosen + 1) : []
  return [...kept.slice(0, EXPLANATIONS_MAX - missing.length), ...missing].map((explanation) => ({
    ...explanation,
    reason: explanation.reason.slice(0, 512),
  }))
}
