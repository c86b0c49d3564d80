import type { Bug } from './bug.ts'

const member = 'proofs/sim/member.ts'

/** Bugs of the driver, sown into the simulated one: what the core relies on is taken away. */
export const driverBugs: readonly Bug[] = [
  {
    name: 'sends votes and acknowledgements before the sync',
    breaks: 'durability before an answer',
    file: member,
    find: 'if (last === undefined) for (const message of effects.messagesAfterSync)',
    replace: 'if (effects !== null) for (const message of effects.messagesAfterSync)',
  },
  {
    name: 'does not wait for an earlier write',
    breaks: 'durability before an answer',
    file: member,
    find: 'const last = this.#waiting.at(-1)',
    replace: 'const last = write === null ? undefined : this.#waiting.at(-1)',
  },
  {
    name: 'reports a write as durable before the sync',
    breaks: 'durability before an answer',
    file: member,
    find: 'this.#waiting.push({ write, messages: [] })',
    replace:
      'this.#waiting.push({ write, messages: [] })\n    this.#world.schedule.after(0, () => this.#writeDone(write))',
  },
]
