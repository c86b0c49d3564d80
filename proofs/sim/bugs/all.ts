import type { Bug } from './bug.ts'
import { coreBugs } from './core_bugs.ts'
import { driverBugs } from './driver_bugs.ts'
import { rareBugs } from './rare_bugs.ts'
import { rareRecoveryBugs, recoveryBugs } from './recovery_bugs.ts'
import { rareStorageBugs, storageBugs } from './storage_bugs.ts'

/** Found within a few hundred seeds: the tests hunt them. */
export const commonBugs: readonly Bug[] = [...coreBugs, ...driverBugs, ...storageBugs, ...recoveryBugs]

/** All that are known; the others take up to some thousands, and are hunted by `npm run proof -- sim --bugs` alone. */
export const allBugs: readonly Bug[] = [...commonBugs, ...rareBugs, ...rareStorageBugs, ...rareRecoveryBugs]
