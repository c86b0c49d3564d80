import { Interrupted, Quickstart } from './quickstart/quickstart.ts'

const unknown = process.argv.slice(2).find((argument) => argument !== '--keep')
if (unknown !== undefined) {
  process.stderr.write(
    `error: ${unknown} is no option of the quickstart; there is --keep, which leaves the cloud running\n`,
  )
  process.exit(2)
}
const quickstart = await Quickstart.create(process.argv.includes('--keep'))
let told = false
// One Ctrl-C may come twice, from the terminal and handed on by npm: the second must not cut the cleaning up short.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (!told) process.stderr.write('\ninterrupted: ending what was started\n')
    told = true
    quickstart.interrupt()
  })
try {
  await quickstart.run()
  process.exit(0)
} catch (error) {
  if (error instanceof Interrupted) process.exit(130)
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exit(1)
}
