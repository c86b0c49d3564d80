/**
 * A process that is the only member of a log, with nothing above it: DIRECTORY CONFIG write COUNT commits so many entries;
 * DIRECTORY CONFIG scan RUNS reads every entry through the port of the log, which verifies checksums and links, and prints a `ScanResult` as
 * JSON for each run.
 */
import type { Log } from '../../../log/log.ts'
import { until } from '../../failover/until.ts'
import { VALUE_BYTES } from './keys.ts'
import { openMemberLog } from './open_log.ts'
import type { ScanResult } from './scan.ts'

const LEADER_TIMEOUT_MS = 30_000
const BATCH = 1000
const UNDER_WAY = 8
const READ_BYTES = 1 << 20

const [directory = '', configFile = '', what = '', number = ''] = process.argv.slice(2)

/** Digits, so that the entries neither compress to nothing nor not at all. */
function payloadOf(index: number): Buffer {
  const payload = Buffer.alloc(VALUE_BYTES)
  let state = (index * 2_654_435_761) % 4_294_967_296
  for (let at = 0; at < VALUE_BYTES; at += 8) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    payload.write(state.toString(16).padStart(8, '0'), at, 'latin1')
  }
  return payload
}

async function write(log: Log, count: number): Promise<void> {
  const { term, lastIndex } = log.status()
  const underWay: Promise<void>[] = []
  for (let done = 0; done < count; ) {
    const size = Math.min(BATCH, count - done)
    const payloads = Array.from({ length: size }, (_, position) => payloadOf(done + position))
    if (underWay.length >= UNDER_WAY) await underWay.shift()
    underWay.push(log.propose({ term, firstIndex: lastIndex + 1 + done, payloads }))
    done += size
  }
  await Promise.all(underWay)
}

async function scan(log: Log): Promise<ScanResult> {
  const end = log.status().commitIndex
  const began = performance.now()
  const before = process.threadCpuUsage()
  let entries = 0
  let bytes = 0
  for (let next = 1; next <= end; ) {
    const found = await log.read(next, end, READ_BYTES)
    for (const { index, payload } of found) {
      if (index !== next) throw new Error(`entry ${index} came where ${next} was due`)
      bytes += payload.length
      next += 1
    }
    entries += found.length
  }
  const { user, system } = process.threadCpuUsage(before)
  return {
    entries,
    bytes,
    seconds: (performance.now() - began) / 1000,
    processor_seconds: (user + system) / 1e6,
  }
}

const log = await openMemberLog(directory, configFile)
await until('leadership', LEADER_TIMEOUT_MS, () => {
  const { role, commitIndex, lastIndex } = log.status()
  return role === 'leader' && commitIndex === lastIndex ? true : undefined
})
if (what === 'write') await write(log, Number(number))
else
  for (let run = 0; run < Number(number); run++) process.stdout.write(`${JSON.stringify(await scan(log))}\n`)
await log.close()
