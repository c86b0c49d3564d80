import type { RaftLimits } from '../../log/raft/config.ts'
import type { NetworkFaults } from './network.ts'
import type { Random } from './random.ts'

export interface SimulationOptions {
  readonly members: 1 | 3 | 5
  /** Events under faults, before everything is healed. */
  readonly safetySteps: number
  /** Keep the text of everything that happens. */
  readonly keepsTrace: boolean
}

/** What a disk does by itself; each probability is from 0 to 0.1. */
export interface DiskFaults {
  /** Of a read that goes to the medium. */
  readonly readProbability: number
  /** Of a sync. */
  readonly writeProbability: number
  /** Of a group that goes to another place, or to none. */
  readonly misdirectProbability: number
  /** That many of the newest entries are read from memory. */
  readonly recentEntries: number
}

export const soundDisk: DiskFaults = {
  readProbability: 0,
  writeProbability: 0,
  misdirectProbability: 0,
  recentEntries: 10_000,
}

export const favourites = ['wipes', 'rot', 'links', 'transfers', 'crashes'] as const
export type Favourite = (typeof favourites)[number]

/** What is drawn from the seed before anything happens. Times are in units; a tick takes about ten. */
export interface Profile {
  readonly electionTicks: number
  readonly heartbeatTicks: number
  readonly limits: Partial<RaftLimits>
  readonly network: NetworkFaults
  readonly disk: DiskFaults
  readonly diskSlowness: number
  /** The mean time between two faults. */
  readonly faultInterval: number
  /** The mean time between two things that clients do. */
  readonly clientInterval: number
  /** The share of reads among what clients do. */
  readonly readShare: number
  readonly applyDelayMax: number
  /** The longest turn of a driver's loop: what happens in one goes into one write. 0: every step is a turn. */
  readonly turnMax: number
  /** Faults that come more often than others, and their share beyond what falls to them anyhow. */
  readonly favourite: Favourite
  readonly favouriteShare: number
  /** The members were just formatted: nobody is a voter before all have met. */
  readonly isNew: boolean
}

export const tickUnits = 10

export function drawProfile(random: Random): Profile {
  const electionTicks = random.between(6, 14)
  const hasTightLimits = random.chance(0.5)
  return {
    electionTicks,
    heartbeatTicks: random.between(1, Math.floor(electionTicks / 3)),
    limits: hasTightLimits
      ? {
          maxInflightMessages: random.between(1, 4),
          maxInflightBytes: random.between(16, 200),
          maxBytesPerAppend: random.between(1, 80),
          maxUncommittedBytes: random.between(50, 400),
          maxUncommittedEntries: random.between(4, 40),
          maxApplyGap: random.between(2, 20),
          maxReadRounds: random.between(1, 3),
        }
      : {},
    network: {
      lossProbability: random.chance(0.3) ? 0 : 0.3 * random.float() * random.float(),
      duplicateProbability: random.chance(0.3) ? 0 : 0.5 * random.float() * random.float(),
      delayMax: random.pick([2, 5, 10, 30, 80]),
    },
    disk: {
      readProbability: drawRare(random),
      writeProbability: drawRare(random),
      misdirectProbability: drawRare(random),
      recentEntries: random.pick([4, 32, 10_000]),
    },
    diskSlowness: random.pick([2, 5, 10, 40]),
    faultInterval: random.chance(0.3) ? random.between(15, 60) : random.between(60, 500),
    clientInterval: random.pick([3, 6, 12, 25, 40]),
    readShare: random.pick([0.1, 0.4, 0.7]),
    applyDelayMax: random.pick([1, 5, 50]),
    turnMax: random.pick([0, 0, 2, 10]),
    favourite: random.pick(favourites),
    favouriteShare: random.pick([0, 0.1, 0.4, 0.7]),
    isNew: random.chance(0.2),
  }
}

/** 0 to 0.1: mostly none or few, since a member that stops all the time does little else. */
function drawRare(random: Random): number {
  const share = random.float()
  return random.chance(0.6) ? 0 : 0.1 * share * share * share
}
