import { payloadOf } from './history.ts'
import type { SimulatedMember } from './member.ts'
import type { World } from './world.ts'

/** Clients: they propose payloads with ids used once, mostly at a leader and mostly with a right fence, and read. */
export class Clients {
  readonly #world: World
  #lastId = 0
  #isStopped = false

  constructor(world: World) {
    this.#world = world
  }

  get lastId(): number {
    return this.#lastId
  }

  /** Goes on until it is stopped. */
  run(): void {
    const { schedule, random, profile } = this.#world
    schedule.after(random.between(1, 2 * profile.clientInterval), () => {
      if (this.#isStopped) return
      const member = this.#choose()
      if (random.chance(profile.readShare)) member.read()
      else this.propose(member, random.chance(0.9))
      this.run()
    })
  }

  stop(): void {
    this.#isStopped = true
  }

  propose(member: SimulatedMember, isRightlyFenced: boolean): void {
    const { random } = this.#world
    const count = random.between(1, 4)
    const payloads = Array.from({ length: count }, () => {
      this.#lastId += 1
      return { id: this.#lastId, payload: payloadOf(this.#lastId, random.between(4, 40)) }
    })
    const firstIndex = member.lastIndex + (isRightlyFenced ? 1 : random.between(-2, 3))
    const term = member.leadingTerm - (isRightlyFenced ? 0 : random.between(0, 1))
    if (firstIndex >= 1) member.propose(term, firstIndex, payloads)
  }

  #choose(): SimulatedMember {
    const { random, members } = this.#world
    const leaders = members.filter((member) => member.leadingTerm !== 0)
    return random.pick(leaders.length > 0 && random.chance(0.9) ? leaders : members)
  }
}
