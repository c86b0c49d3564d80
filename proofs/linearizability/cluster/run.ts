import { spawn } from 'node:child_process'

const TIMEOUT_MS = 10_000

/** Runs a program to its end. Rejects, with what it wrote, when it fails. */
export function run(program: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MS })
    const output: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => output.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => output.push(chunk))
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (code === 0) resolve()
      else
        reject(
          new Error(
            `${[program, ...args].join(' ')} ended with ${code ?? signal}: ${Buffer.concat(output).toString()}`,
          ),
        )
    })
  })
}
