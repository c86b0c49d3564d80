import { HostDaemon } from '../daemon.ts'
import type { DesiredIncarnation } from '../desired.ts'

/** A host daemon in a process of its own, for tests that kill it: writes each observation as a line of JSON. */
const [hostDirectory, imageDirectory, rows] = process.argv.slice(2)
if (hostDirectory === undefined || imageDirectory === undefined || rows === undefined) {
  throw new Error('Usage: daemon_process.ts HOST_DIRECTORY IMAGE_DIRECTORY ROWS')
}
const daemon = await HostDaemon.start({
  hostDirectory,
  imageDirectory,
  report: (observation) => {
    process.stdout.write(`${JSON.stringify(observation)}\n`)
    return Promise.resolve()
  },
})
daemon.snapshot(JSON.parse(rows) as DesiredIncarnation[], 1)
process.stdin.resume()
