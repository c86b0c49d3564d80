import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'

export interface ToolResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const TIMEOUT_MS = 20_000
const OUTPUT_BYTES_MAX = 16 * 1024 * 1024

export const repositoryRoot: string = fileURLToPath(new URL('../../', import.meta.url))

/** Runs a tool from the repository's packages or the system. Rejects when it is not there or does not end in time. */
export function runTool(tool: string, args: readonly string[]): Promise<ToolResult> {
  const PATH = `${repositoryRoot}node_modules/.bin:${process.env['PATH'] ?? ''}`
  const options = {
    cwd: repositoryRoot,
    env: { ...process.env, PATH },
    timeout: TIMEOUT_MS,
    maxBuffer: OUTPUT_BYTES_MAX,
  }
  return new Promise((resolve, reject) => {
    execFile(tool, args, options, (error, stdout, stderr) => {
      const code = error === null ? 0 : error.code
      if (typeof code === 'number') resolve({ code, stdout, stderr })
      else reject(new Error(`${tool} ${args.join(' ')}: ${error?.message ?? ''}`, { cause: error }))
    })
  })
}
