import type { Action } from '../action.ts'
import type { Favourite, Profile } from '../options.ts'
import type { Random } from '../random.ts'
import { clockFaults } from './clock_faults.ts'
import { diskFaults } from './disk_faults.ts'
import { networkFaults } from './network_faults.ts'
import { processFaults } from './process_faults.ts'

const { partition, isolation, cutOneWay, clog, lateAnswers, heal } = networkFaults
const { slowDisk, bitRot } = diskFaults
const { crash, restart, crashAll, pause, wipe, wipeOutOfSight, transfer, lateTransfer } = processFaults
const { drift, step, stop } = clockFaults

/** Crashes are the most telling, so they are named more than once. */
const drawn: readonly Action[] = [
  crash,
  crash,
  crash,
  restart,
  crashAll,
  wipe,
  wipeOutOfSight,
  bitRot,
  bitRot,
  pause,
  pause,
  partition,
  partition,
  isolation,
  cutOneWay,
  cutOneWay,
  clog,
  clog,
  heal,
  heal,
  slowDisk,
  drift,
  step,
  stop,
  transfer,
  transfer,
  lateTransfer,
  lateAnswers,
]

const favoured: Readonly<Record<Favourite, readonly Action[]>> = {
  wipes: [wipe, wipeOutOfSight, wipeOutOfSight, bitRot],
  rot: [bitRot],
  links: [partition, isolation, cutOneWay, clog, lateAnswers, lateAnswers, heal, heal],
  transfers: [transfer, transfer, lateTransfer, lateTransfer, clog, heal],
  crashes: [crash, restart, crashAll],
}

export const faultActions: readonly Action[] = [...new Set(drawn)]

export function drawFault(random: Random, { favourite, favouriteShare }: Profile): Action {
  return random.pick(random.chance(favouriteShare) ? favoured[favourite] : drawn)
}
