import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { OUTCOME, type ProofOptions } from './options.ts'
import type { ProofFigures } from './prove.ts'

const PROGRAM = join(import.meta.dirname, 'proof_process.ts')

/** Whether this process may make network namespaces. */
export function canCutLinks(): boolean {
  return process.getuid?.() === 0
}

/**
 * Runs the proof in a process of its own: in a new network namespace, which nobody else sees and which goes with it, where links are to be
 * cut. Rejects when the proof could not be made.
 */
export function startProof(options: ProofOptions, say: (line: string) => void): Promise<ProofFigures> {
  const command = [process.execPath, PROGRAM, JSON.stringify(options)]
  const [program = '', ...args] = options.namespaces ? ['unshare', '--net', ...command] : command
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] })
  const forward = (signal: NodeJS.Signals): boolean => child.kill(signal)
  process.on('SIGINT', forward).on('SIGTERM', forward)
  let figures: ProofFigures | undefined
  createInterface({ input: child.stdout }).on('line', (line) => {
    if (line.startsWith(OUTCOME)) figures = JSON.parse(line.slice(OUTCOME.length)) as ProofFigures
    else say(line)
  })
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => {
      process.off('SIGINT', forward).off('SIGTERM', forward)
      if (figures !== undefined) resolve(figures)
      else reject(new Error(`the proof ended with ${code ?? signal}, and without an outcome`))
    })
  })
}
