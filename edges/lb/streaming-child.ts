import { Balancer } from './balancer.ts'
import { member, row } from './test-support.ts'

/**
 * A balancer in a process of its own, so that its memory is its own: `streaming.test.ts` starts it with the ports of a
 * TCP and an HTTP member, reads the ports of the listeners, and asks for the memory it took at most.
 */
const [tcpPort = 0, httpPort = 0] = process.argv.slice(2).map(Number)
const balancer = new Balancer({ onHealth: () => undefined })
await balancer.apply([
  { key: 'TCP', row: row([member('a', tcpPort)], { protocol: 'TCP' }) },
  { key: 'HTTP', row: row([member('a', httpPort)], { uid: 'listener-2' }) },
])

/** Bytes of all that JavaScript and its buffers hold, garbage left out. */
function held(): number {
  globalThis.gc?.()
  const { heapUsed, external } = process.memoryUsage()
  return heapUsed + external
}

let base = held()
let peak = base
const sample = setInterval(() => {
  peak = Math.max(peak, held())
}, 20)

process.on('message', (message) => {
  if (message === 'reset') {
    base = held()
    peak = base
    process.send?.({})
  } else if (message === 'growth') {
    process.send?.({ growth: peak - base })
  }
})
process.on('disconnect', () => {
  clearInterval(sample)
  process.exit()
})
const ports = ['TCP', 'HTTP'].map((key) => balancer.status().get(key)?.bound?.port)
process.send?.({ ports })
