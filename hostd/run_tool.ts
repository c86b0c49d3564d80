import { execFile } from 'node:child_process'
import { HostError } from './errors.ts'

const outputBytesMax = 4 * 1024 * 1024

/**
 * Runs a program to its end and gives its standard output.
 *
 * @throws HostError `hostd/tool_missing` or `hostd/tool_failed` (with the end of its standard error).
 */
export function runTool(
  program: string,
  arguments_: readonly string[],
  options: { cwd?: string; timeoutMilliseconds: number },
): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      arguments_,
      {
        ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
        env: { ...process.env, LC_ALL: 'C' },
        maxBuffer: outputBytesMax,
        timeout: options.timeoutMilliseconds,
        killSignal: 'SIGKILL',
      },
      (error, stdout, stderr) => {
        if (error === null) {
          resolve(stdout)
        } else if (error.code === 'ENOENT') {
          reject(new HostError('hostd/tool_missing', `${program} was not found in PATH.`))
        } else {
          const detail = `${program} ${arguments_.join(' ')}: ${stderr.trim().slice(-600) || error.message}`
          reject(new HostError('hostd/tool_failed', detail, { cause: error }))
        }
      },
    )
  })
}
