import { spawn } from 'node:child_process'
import { constants } from 'node:os'

/** A program that a dispatcher can run, by the name it has on the command line. */
export interface Program {
  name: string
  file: string
}

/**
 * Runs the program that the first argument names with the other arguments, on the dispatcher's own streams, and
 * resolves to its exit code (128 and the signal's number when a signal ended it, as a shell has it).
 * Lists the programs and resolves to 2 when none is named or the name is unknown.
 */
export async function dispatch(
  kind: string,
  programs: readonly Program[],
  args: readonly string[],
): Promise<number> {
  const [name, ...rest] = args
  const program = programs.find((candidate) => candidate.name === name)
  if (program === undefined) {
    if (name !== undefined) console.error(`${kind}: there is no ${name}`)
    console.error(`usage: npm run ${kind} -- NAME [ARGUMENT…]`)
    console.error(`names: ${programs.map((candidate) => candidate.name).join(', ') || 'none'}`)
    return 2
  }
  return runProgram(program.file, rest)
}

function runProgram(file: string, args: readonly string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [file, ...args], { stdio: 'inherit' })
    const forward = (signal: NodeJS.Signals): boolean => child.kill(signal)
    process.on('SIGINT', forward).on('SIGTERM', forward)
    child.on('error', reject)
    child.on('close', (code, signal) => {
      process.off('SIGINT', forward).off('SIGTERM', forward)
      resolve(code ?? 128 + (signal === null ? 0 : constants.signals[signal]))
    })
  })
}
