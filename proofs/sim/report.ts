import { describeDecision } from './director.ts'
import { faultLines } from './fault_counts.ts'
import type { Profile } from './options.ts'
import type { SimulationFigures } from './prove.ts'
import type { Shrunk } from './shrink.ts'
import type { SimulationResult } from './sim.ts'

const traceTail = 80

/** The figures of a run, for people. */
export function figureLines(figures: SimulationFigures): string[] {
  const { seeds, steps, milliseconds, cpu_milliseconds: cpu, counters, faults } = figures
  const each = (cpu / seeds).toFixed(1)
  return [
    `${seeds} seeds, ${steps} steps, ${(milliseconds / 1_000).toFixed(1)} s (${(cpu / 1_000).toFixed(1)} CPU-seconds, ${each} CPU-milliseconds a seed)`,
    Object.entries(counters)
      .map(([name, count]) => `${count} ${name}`)
      .join(', '),
    ...faultLines(faults),
  ]
}

/** What broke, the command that does it again, and the shortest story of it that was found. */
export function failureLines(
  failed: SimulationResult,
  shrunk: Shrunk,
  safetySteps: number,
  path: string,
): string[] {
  const { seed, members, steps, failure } = failed
  const { result, decisionsBefore, runs } = shrunk
  const { decisions, profile } = result.script
  const left = result.trace.length - traceTail
  return [
    `seed ${seed}, ${members} members, step ${steps}: ${failure?.message}`,
    `again: npm run proof -- sim --seeds 1 --seed ${seed} --members ${members} --steps ${safetySteps} --trace`,
    '',
    `Shrunk from ${decisionsBefore} things done to the members to ${decisions.length}, in ${runs} runs; again: npm run proof -- sim --replay ${path}`,
    ...decisions.map((decision) => `  ${describeDecision(decision)}`),
    `  by chance: ${chances(profile)}`,
    '',
    ...(left > 0 ? [`(${left} lines before)`] : []),
    ...result.trace.slice(-traceTail),
    `${result.failure?.message}`,
  ]
}

function chances({ network, disk, limits }: Profile): string {
  const parts: string[] = []
  const percent = (what: string, probability: number): void => {
    if (probability > 0) parts.push(`${(100 * probability).toFixed(1)} % ${what}`)
  }
  percent('of messages are lost', network.lossProbability)
  percent('of messages come twice', network.duplicateProbability)
  percent('of cold reads fail', disk.readProbability)
  percent('of syncs fail', disk.writeProbability)
  percent('of batches go astray', disk.misdirectProbability)
  parts.push(`messages take up to ${network.delayMax}`)
  if (Object.keys(limits).length > 0) parts.push('tight limits')
  return parts.join(', ')
}
