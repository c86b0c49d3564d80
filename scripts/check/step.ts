import { spawn } from 'node:child_process'
import { delimiter, join } from 'node:path'

/** What a step of `npm run check` found: whether the tree passed, and what to show when it did not. */
export interface Outcome {
  passed: boolean
  output: string
}

/** One step of `npm run check`. `run` judges the tree under `root` and changes nothing in it. */
export interface Step {
  name: string
  run(root: string): Promise<Outcome>
}

/** How a tool ended. `code` is null when it could not be started or a signal ended it; `stderr` then says why. */
export interface ToolRun {
  code: number | null
  stdout: string
  stderr: string
}

const TOOL_TIMEOUT_MS = 300_000

/** A step that runs a command of `node_modules/.bin` in the root; exit code 0 means that the tree passed. */
export function toolStep(name: string, command: string, args: readonly string[]): Step {
  return {
    name,
    async run(root) {
      const { code, stdout, stderr } = await runTool(root, command, args)
      return { passed: code === 0, output: `${stdout}${stderr}`.trim() }
    },
  }
}

/** Runs a command of `node_modules/.bin` in the root to its end, or for five minutes. Never rejects. */
export function runTool(root: string, command: string, args: readonly string[]): Promise<ToolRun> {
  const binaries = join(root, 'node_modules', '.bin')
  const path = [binaries, process.env['PATH'] ?? ''].join(delimiter)
  return new Promise((resolve) => {
    const child = spawn(join(binaries, command), args, {
      cwd: root,
      env: { ...process.env, PATH: path, NO_COLOR: '1' },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TOOL_TIMEOUT_MS,
    })
    let stdout = ''
    let stderr = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text))
    child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text))
    child.on('error', (error) => resolve({ code: null, stdout, stderr: `${command}: ${error.message}\n` }))
    child.on('close', (code, signal) => {
      const ending = signal === null ? '' : `${command} was ended by ${signal}\n`
      resolve({ code, stdout, stderr: `${stderr}${ending}` })
    })
  })
}
