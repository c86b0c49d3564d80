import { openSync } from 'node:fs'
import { Balancer } from './balancer.ts'
import type { HealthChange } from './listener-row.ts'
import { member, row } from './test-support.ts'

/** A balancer that runs out of file descriptors once its member is online. Started by `monitor.test.ts` with a low limit. */
const health: HealthChange[] = []
const monitor = {
  type: 'TCP' as const,
  intervalMilliseconds: 20,
  timeoutMilliseconds: 1_000,
  rise: 1,
  fall: 1,
  path: '/',
  expectedCodes: '200',
}
const balancer = new Balancer({
  onHealth: (changes) => {
    health.push(...changes)
    if (health.length === 1) exhaust()
    else process.send?.(health)
  },
})

function exhaust(): void {
  try {
    for (;;) openSync('/dev/null', 'r')
  } catch {
    // No descriptor is left: that is what was wanted.
  }
}

process.on('disconnect', () => process.exit())
await balancer.apply([{ key: 'web', row: row([member('a', Number(process.argv[2]))], { monitor }) }])
