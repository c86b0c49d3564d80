import { spawn } from 'node:child_process'
import { HostError } from './errors.ts'

/** A lock that is held until it is released or this process is gone. */
export interface ExclusiveLock {
  release(): Promise<void>
}

/**
 * Takes the kernel's advisory lock on a file (flock(2)), which is made when it does not exist.
 *
 * A helper process holds the lock for as long as its standard input is open, so the kernel gives it back however this
 * process ends: there are no stale locks. Waiters queue in the kernel and do not poll.
 *
 * @throws HostError `hostd/lock_timeout` when another process holds it for longer than `timeoutMilliseconds`.
 */
export function acquireExclusiveLock(path: string, timeoutMilliseconds: number): Promise<ExclusiveLock> {
  const timeoutSeconds = Math.max(0, timeoutMilliseconds / 1000).toFixed(3)
  return new Promise((resolve, reject) => {
    const holder = spawn(
      'flock',
      ['--exclusive', '--timeout', timeoutSeconds, path, 'sh', '-c', 'echo held; exec cat >/dev/null'],
      // Its own process group: an interrupt from the terminal must not take the lock away before the owner has ended.
      { stdio: ['pipe', 'pipe', 'ignore'], detached: true },
    )
    const ended = new Promise<void>((done) => {
      holder.once('exit', () => done())
    })
    holder.once('error', (cause) => {
      reject(new HostError('hostd/tool_missing', 'flock (package util-linux) could not be run.', { cause }))
    })
    holder.once('exit', (code) => {
      reject(new HostError('hostd/lock_timeout', `${path} (flock ended with ${code}).`))
    })
    // A holder that is killed must not turn the closing of its input into an uncaught error.
    holder.stdin.on('error', () => holder.stdin.destroy())
    holder.stdout.once('data', () => {
      holder.stdout.destroy()
      holder.unref()
      resolve({
        release: async () => {
          holder.ref()
          holder.stdin.end()
          await ended
        },
      })
    })
  })
}
