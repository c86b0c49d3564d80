import type { Decision } from './action.ts'
import { calmNetwork } from './network.ts'
import type { Profile, SimulationOptions } from './options.ts'
import { soundDisk } from './options.ts'
import type { Script, SimulationResult } from './sim.ts'

type Run = (seed: number, options: SimulationOptions, script: Script | null) => SimulationResult

export interface Shrunk {
  /** The last failing run, with its trace. */
  readonly result: SimulationResult
  readonly decisionsBefore: number
  readonly runs: number
}

/** Chances tried for the network and the members before a smaller script is given up. */
const variants = 3

/** Waits shorter than this, in units of time, are left as they are. */
const gapMin = 20

/** Each takes one kind of chance out of a simulation. */
const calmer: readonly ((profile: Profile) => Profile)[] = [
  (profile) => ({ ...profile, disk: soundDisk }),
  (profile) => ({ ...profile, network: calmNetwork }),
  (profile) => ({ ...profile, network: { ...profile.network, lossProbability: 0 } }),
  (profile) => ({ ...profile, network: { ...profile.network, duplicateProbability: 0 } }),
  (profile) => ({ ...profile, limits: {} }),
  (profile) => ({ ...profile, turnMax: 0 }),
  (profile) => ({ ...profile, applyDelayMax: 1 }),
  (profile) => ({ ...profile, diskSlowness: 2 }),
]

/**
 * Makes a failing simulation smaller, as long as the same invariant is broken: leaves out what is done to the members, in
 * ever smaller chunks (ddmin: Zeller and Hildebrandt, "Simplifying and isolating failure-inducing input", 2002), and chances of
 * the network and the disks. Takes `runsMax` runs at most; the same failure gives the same result.
 */
export function shrink(run: Run, failed: SimulationResult, safetySteps: number, runsMax: number): Shrunk {
  const shrinker = new Shrinker(run, failed, safetySteps, runsMax)
  shrinker.shrink()
  return {
    result: shrinker.result(),
    decisionsBefore: failed.script.decisions.length,
    runs: shrinker.runs,
  }
}

class Shrinker {
  readonly #run: Run
  readonly #failed: SimulationResult
  readonly #safetySteps: number
  readonly #runsMax: number
  #best: Script
  runs = 0

  constructor(run: Run, failed: SimulationResult, safetySteps: number, runsMax: number) {
    this.#run = run
    this.#failed = failed
    this.#safetySteps = safetySteps
    this.#runsMax = runsMax
    this.#best = failed.script
  }

  /** Until nothing more can be left out. */
  shrink(): void {
    let before = Number.POSITIVE_INFINITY
    while (this.#best.decisions.length < before && this.runs < this.#runsMax) {
      before = this.#best.decisions.length
      this.#calm()
      this.#leaveOut()
      this.#hasten()
    }
  }

  result(): SimulationResult {
    const { seed, members } = this.#failed
    return this.#run(seed, { members, safetySteps: this.#safetySteps, keepsTrace: true }, this.#best)
  }

  #calm(): void {
    for (const change of calmer) this.#try({ ...this.#best, profile: change(this.#best.profile) })
  }

  #leaveOut(): void {
    let chunk = Math.ceil(this.#best.decisions.length / 2)
    while (chunk >= 1) {
      const isSmaller = this.#leaveOutChunks(chunk)
      if (chunk === 1 && !isSmaller) return
      chunk = isSmaller ? Math.min(chunk, Math.ceil(this.#best.decisions.length / 2)) : Math.ceil(chunk / 2)
      if (this.runs >= this.#runsMax) return
    }
  }

  /** From the end, since what comes late is least needed. */
  #leaveOutChunks(chunk: number): boolean {
    let isSmaller = false
    for (let end = this.#best.decisions.length; end > 0; end -= chunk) {
      const { decisions } = this.#best
      const rest = [...decisions.slice(0, Math.max(0, end - chunk)), ...decisions.slice(end)]
      if (rest.length < decisions.length && this.#try({ ...this.#best, decisions: rest })) isSmaller = true
      if (this.runs >= this.#runsMax) break
    }
    return isSmaller
  }

  /** Waits less before each of what is left, so that the story is shorter. */
  #hasten(): void {
    for (let position = 0; position < this.#best.decisions.length; position += 1) {
      for (let isShorter = true; isShorter && this.runs < this.#runsMax; ) {
        const { decisions, until } = this.#best
        const gap = Math.floor(((decisions[position]?.at ?? 0) - (decisions[position - 1]?.at ?? 0)) / 2)
        const earlier = decisions.map((decision, index) =>
          index < position ? decision : { ...decision, at: decision.at - gap },
        )
        isShorter = gap >= gapMin && this.#try({ ...this.#best, decisions: earlier, until: until - gap })
      }
    }
  }

  #try(script: Script): boolean {
    for (let count = 0; count < variants && this.runs < this.#runsMax; count += 1) {
      const variant = (script.variant + count) % variants
      const found = this.#fails({ ...script, variant })
      if (found === null) continue
      this.#best = found
      return true
    }
    return false
  }

  /** The script up to the failure, or null when it does not break the same invariant. */
  #fails(script: Script): Script | null {
    this.runs += 1
    const { seed, members, failure } = this.#failed
    const result = this.#run(seed, { members, safetySteps: this.#safetySteps, keepsTrace: false }, script)
    if (result.failure === null || result.failure.invariant !== failure?.invariant) return null
    const decisions: readonly Decision[] = result.script.decisions
    return { ...script, decisions, until: result.script.until }
  }
}
