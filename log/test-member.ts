import { randomInt } from 'node:crypto'
import type { Log } from './log.ts'
import { openLog } from './node.ts'
import type { MemberOptions } from './test-cluster.ts'

/**
 * A member in a process of its own, for tests that kill or stop it: `node test-member.ts '<options as JSON>'`.
 * Whenever it leads it appends entries that hold their own index, and prints one line for each proposal acknowledged. It ends with its
 * standard input: nobody is left who would end it.
 */
export type MemberEvent =
  | { readonly event: 'ready'; readonly term: number }
  | { readonly event: 'acknowledged'; readonly from: number; readonly to: number }
  | { readonly event: 'rejected'; readonly code: string }

function print(event: MemberEvent): void {
  process.stdout.write(`${JSON.stringify(event)}\n`)
}

async function write(log: Log, term: number): Promise<void> {
  let next = log.status().lastIndex + 1
  for (;;) {
    const from = next
    const count = randomInt(1, 20)
    const payloads = Array.from({ length: count }, (_, position) => Buffer.from(`entry ${from + position}`))
    try {
      next = from + count
      await log.propose({ term, firstIndex: from, payloads })
      print({ event: 'acknowledged', from, to: from + count - 1 })
    } catch (error) {
      print({ event: 'rejected', code: error instanceof Error && 'code' in error ? String(error.code) : '' })
      return
    }
  }
}

process.stdin.once('end', () => process.exit(0)).resume()
const options: MemberOptions = JSON.parse(process.argv[2] ?? '')
const log = await openLog({
  ...options,
  failed: (error) => {
    process.stderr.write(`${String(error)}\n`)
    process.exit(1)
  },
})
log.leadership.subscribe(({ ready, term }) => {
  if (!ready) return
  print({ event: 'ready', term })
  void write(log, term)
})
