import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { acquireExclusiveLock, type ExclusiveLock } from '../exclusive_lock.ts'

/**
 * Serializes whatever boots guests, over all test runs on this machine: under TCG a guest takes a whole core.
 *
 * The kernel gives the lock back when the holder dies, so a killed test run leaves nothing stale behind.
 */
export function acquireQemuLock(timeoutMilliseconds = 600_000): Promise<ExclusiveLock> {
  return acquireExclusiveLock(join(tmpdir(), 'ultracloud-qemu.lock'), timeoutMilliseconds)
}
