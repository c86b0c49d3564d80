import type { Bug } from './bug.ts'

const member = 'proofs/sim/member.ts'
const disk = 'proofs/sim/disk.ts'

/** Bugs of the driver and of storage, sown into the simulated ones: what the core relies on is taken away. */
export const driverBugs: readonly Bug[] = [
  {
    name: 'sends votes and acknowledgements before the sync',
    file: member,
    find: 'if (last === undefined) for (const message of effects.messagesAfterSync)',
    replace: 'if (effects !== null) for (const message of effects.messagesAfterSync)',
  },
  {
    name: 'does not wait for an earlier write',
    file: member,
    find: 'const last = this.#waiting.at(-1)',
    replace: 'const last = write === null ? undefined : this.#waiting.at(-1)',
  },
  {
    name: 'reports a write as durable before the sync',
    file: member,
    find: 'this.#waiting.push({ write, messages: [] })',
    replace:
      'this.#waiting.push({ write, messages: [] })\n    this.#world.schedule.after(0, () => this.#writeDone(write))',
  },
  {
    name: 'forgets term and vote in a crash',
    file: disk,
    find: 'this.#queue = []\n  }\n\n  #sync',
    replace:
      'this.#queue = []\n    this.#hardState = { term: this.#log.at(-1)?.term ?? 0, vote: 0 }\n  }\n\n  #sync',
  },
  {
    name: 'loses the last synced entry in a crash',
    file: disk,
    find: 'this.#queue = []\n  }\n\n  #sync',
    replace: 'this.#queue = []\n    this.#log.pop()\n  }\n\n  #sync',
  },
  {
    name: 'starts again from a blank disk',
    file: disk,
    find: 'this.#queue = []\n  }\n\n  #sync',
    replace:
      'this.#queue = []\n    if (this.#random.chance(0.2)) {\n      this.#log = []\n      this.#hardState = { term: 0, vote: 0 }\n    }\n  }\n\n  #sync',
  },
  {
    name: 'keeps the entries that were to be replaced',
    file: disk,
    find: 'write.truncateFrom === 0 ? []',
    replace: 'write.truncateFrom > 0 ? []',
  },
]
