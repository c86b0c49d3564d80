import type { Action, Decision } from './action.ts'
import { clientActions } from './clients.ts'
import { faultActions } from './faults/all.ts'
import type { World } from './world.ts'

const actions: ReadonlyMap<string, Action> = new Map(
  [...faultActions, ...clientActions].map((action) => [action.name, action]),
)
const clientNames: ReadonlySet<string> = new Set(clientActions.map(({ name }) => name))

interface Next {
  /** In units of time from now. */
  readonly delay: number
  readonly decide: () => Decision
}

/** Does one thing after the other until it is stopped, or nothing comes next. */
export class Director {
  readonly #world: World
  readonly #next: () => Next | null
  #isStopped = false

  constructor(world: World, next: () => Next | null) {
    this.#world = world
    this.#next = next
  }

  /** `perform` is told what is done, right before. */
  run(perform: (decision: Decision) => void): void {
    const next = this.#next()
    if (next === null) return
    this.#world.schedule.after(next.delay, () => {
      if (this.#isStopped) return
      const decision = next.decide()
      perform(decision)
      act(this.#world, decision)
      this.run(perform)
    })
  }

  stop(): void {
    this.#isStopped = true
  }
}

/** What is drawn: `choose` at the time it is done, since it depends on who leads then. */
export function drawn(
  world: World,
  random: { between(low: number, high: number): number },
  interval: number,
  choose: () => Omit<Decision, 'at'>,
): () => Next {
  return () => ({
    delay: random.between(1, 2 * interval),
    decide: () => ({ at: world.schedule.now, ...choose() }),
  })
}

/** What a script says, of the one kind or the other. */
export function scripted(world: World, decisions: readonly Decision[], isClient: boolean): () => Next | null {
  const mine = decisions.filter(({ action }) => clientNames.has(action) === isClient)
  let position = 0
  return () => {
    const decision = mine[position]
    position += 1
    if (decision === undefined) return null
    return { delay: Math.max(0, decision.at - world.schedule.now), decide: () => decision }
  }
}

/** One decision on one line, for people. Throws RangeError for an action that there is not. */
export function describeDecision({ at, action, numbers }: Decision): string {
  return `${at}  ${actionOf(action).describe(numbers)}`
}

function act(world: World, decision: Decision): void {
  world.trace.note(() => describeDecision(decision))
  actionOf(decision.action).apply(world, decision.numbers)
}

function actionOf(name: string): Action {
  const action = actions.get(name)
  if (action === undefined) throw new RangeError(`there is no action ${name}`)
  return action
}
