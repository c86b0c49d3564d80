/**
 * A process that is one member of a log, with nothing above it but a follower: DIRECTORY CONFIG. Prints `leads` whenever it leads and may
 * decide. Told a number of seconds on a line of its input it commits batches for so long, and prints the entries a second. Ends with its input.
 */
import { createInterface } from 'node:readline'
import { type Log, LogError } from '../../../log/log.ts'
import { VALUE_BYTES } from './keys.ts'
import { openMemberLog } from './open_log.ts'

/** Entries of a proposal, and proposals that are not committed yet. */
const BATCH = 256
const UNDER_WAY = 48

const [directory = '', configFile = ''] = process.argv.slice(2)
const payloads = Array.from({ length: BATCH }, () => Buffer.alloc(VALUE_BYTES, 'v'))

/** Entries that were committed in so many milliseconds. */
async function commit(log: Log, milliseconds: number): Promise<number> {
  const { term, lastIndex } = log.status()
  const underWay: Promise<void>[] = []
  const end = performance.now() + milliseconds
  let next = lastIndex + 1
  let committed = 0
  const oldest = async (): Promise<void> => {
    await underWay.shift()
    committed += BATCH
  }
  while (performance.now() < end) {
    if (underWay.length >= UNDER_WAY) await oldest()
    try {
      underWay.push(log.propose({ term, firstIndex: next, payloads }))
      next += BATCH
    } catch (error) {
      if (!(error instanceof LogError && error.code === 'OVERLOADED') || underWay.length === 0) throw error
      await oldest()
    }
  }
  while (underWay.length > 0) await oldest()
  return committed
}

const log = await openMemberLog(directory, configFile)
let seen = 0
log.follow(1, (entries) => {
  seen = entries.at(-1)?.index ?? seen
})
log.leadership.subscribe(({ ready }) => {
  if (ready) process.stdout.write('leads\n')
})
for await (const line of createInterface({ input: process.stdin })) {
  const before = log.status().commitIndex
  const began = performance.now()
  const committed = await commit(log, Number(line) * 1000)
  const seconds = (performance.now() - began) / 1000
  if (log.status().commitIndex - before !== committed)
    throw new Error(
      `${committed} entries were acknowledged, and ${log.status().commitIndex - before} committed`,
    )
  process.stdout.write(`${committed / seconds}\n`)
}
await log.close()
