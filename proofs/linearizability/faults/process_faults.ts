import { setTimeout as sleep } from 'node:timers/promises'
import { SlowDisk } from '../cluster/slow_disk.ts'
import type { Fault } from './fault.ts'

/** `kill -9` of a member, sometimes of all at once, as when the power fails; they start again. */
export const kill: Fault = async ({ cluster, random, target }) => {
  const targets = random.chance(0.12) ? cluster.members : [target]
  await Promise.all(targets.map((member) => member.kill()))
  await sleep(random.between(0, 1_500))
  await Promise.all(targets.map((member) => member.start()))
  return { what: `kill -9 of ${targets.map(({ name }) => name).join(', ')}` }
}

/** A member, sometimes with another one, stands still, and goes on as if nothing had been. */
export const pause: Fault = async ({ cluster, random, target, signal }) => {
  const others = cluster.members.filter((member) => member !== target)
  const targets = others.length > 0 && random.chance(0.2) ? [target, random.pick(others)] : [target]
  for (const member of targets) member.signal('SIGSTOP')
  const milliseconds = random.between(300, 3_000)
  try {
    await sleep(milliseconds, undefined, { signal }).catch(() => undefined)
  } finally {
    for (const member of targets) member.signal('SIGCONT')
  }
  return { what: `pause of ${targets.map(({ name }) => name).join(', ')} for ${milliseconds.toFixed(0)} ms` }
}

/** A member's syncs take long. */
export const disk: Fault = async ({ random, target, signal }) => {
  const delay = Math.round(random.between(50, 600))
  const slow = new SlowDisk(target.pid, delay)
  await sleep(random.between(1_000, 3_000), undefined, { signal }).catch(() => undefined)
  await slow.end()
  if (slow.refused !== undefined) throw new Error(`a disk could not be made slow: ${slow.refused}`)
  return { what: `${slow.delayed} syncs of ${target.name} took ${delay} ms more`, count: slow.delayed }
}
