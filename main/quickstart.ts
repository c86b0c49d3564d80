import { Quickstart } from './quickstart/quickstart.ts'

const unknown = process.argv.slice(2).find((argument) => argument !== '--keep')
if (unknown !== undefined) {
  process.stderr.write(
    `error: ${unknown} is no option of the quickstart; there is --keep, which leaves the cloud running\n`,
  )
  process.exit(2)
}
const quickstart = await Quickstart.create(process.argv.includes('--keep'))
for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, () => {
    process.stderr.write('interrupted: ending what was started\n')
    void quickstart.endEverything().finally(() => process.exit(130))
  })
}
try {
  await quickstart.run()
} catch (error) {
  process.stderr.write(`error: ${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
}
