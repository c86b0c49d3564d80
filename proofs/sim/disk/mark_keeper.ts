import type { Random } from '../random.ts'
import type { Mark, Medium } from './medium.ts'

/** How far the mark lags at most, in units; real storage has 5 ms, less than a tick. Long, so that crashes fall into it. */
const lagMax = 20
/** The longest that a group has no mark, when a slow write of the mark is under way and another one follows it. */
export const unmarkedMax = lagMax + 120

export interface MarkKeeperPorts {
  /** Runs an action 1 to `longest` units later, unless a crash comes between. */
  readonly later: (longest: number, run: () => void) => void
  /** The write failed: the process has been told to stop. */
  readonly hasFailed: () => boolean
  /** The longest a write takes, in units. */
  readonly slowness: () => number
  /** A write of the mark was torn by a crash. */
  readonly torn: () => void
}

/** Writes the mark behind the acknowledgements, never before one (log/storage/mark-keeper.ts): several groups have one mark. */
export class MarkKeeper {
  readonly #ports: MarkKeeperPorts
  #wanted: Mark | null = null
  #isScheduled = false
  #underWay: Mark | null = null

  constructor(ports: MarkKeeperPorts) {
    this.#ports = ports
  }

  /** This group is durable. */
  note(mark: Mark, medium: Medium): void {
    this.#wanted = mark
    this.#schedule(medium)
  }

  /** The write under way is durable, or torn, or lost. */
  crash(medium: Medium, random: Random): void {
    const mark = this.#underWay
    const outcome = mark === null ? 1 : random.float()
    if (mark !== null && outcome < 0.7) {
      if (outcome < 0.3) this.#ports.torn()
      medium.writeMark(mark, outcome < 0.3)
    }
    this.#wanted = null
    this.#isScheduled = false
    this.#underWay = null
  }

  #schedule(medium: Medium): void {
    if (this.#isScheduled || this.#underWay !== null || this.#wanted === null) return
    this.#isScheduled = true
    this.#ports.later(lagMax, () => this.#write(medium))
  }

  #write(medium: Medium): void {
    this.#isScheduled = false
    const mark = this.#wanted
    if (mark === null) return
    this.#wanted = null
    this.#underWay = mark
    this.#ports.later(Math.max(1, this.#ports.slowness() >> 2), () => {
      if (this.#ports.hasFailed()) return
      this.#underWay = null
      medium.writeMark(mark, false)
      this.#schedule(medium)
    })
  }
}
