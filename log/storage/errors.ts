import { LogError } from '../log.ts'

export type StorageReason =
  /** The directory is blank, and nobody said what it is to become. */
  | 'NOT_FORMATTED'
  /** Another process has the directory open. */
  | 'LOCKED'
  /** The directory belongs to another cluster or member. */
  | 'IDENTITY_MISMATCH'
  /** `identity.json` is missing or unreadable although the directory holds data. */
  | 'IDENTITY_DAMAGED'
  /** The directory was written by a version before the first release. */
  | 'OLD_FORMAT'
  /** Both slots of the high-water mark are unreadable, or the file is gone. */
  | 'MARK_DAMAGED'
  /** Acknowledged entries, or an acknowledged vote, are no longer there. */
  | 'TAIL_VANISHED'
  /** An acknowledged entry is missing between others, or is not the one that was acknowledged. */
  | 'TAIL_DAMAGED'
  /** A sealed segment is missing, or its bytes are not those that were written. */
  | 'SEGMENT_DAMAGED'
  /** A write or a sync failed: nothing is known about the disk any more. */
  | 'WRITE_FAILED'
  /** A caller broke the contract of the log, such as truncating a committed entry. */
  | 'MISUSE'

/** Damage or failure of storage. `reason` is stable; the message says what was lost and what to do about it. */
export class StorageError extends LogError {
  readonly reason: StorageReason
  constructor(reason: StorageReason, message: string) {
    super('STORAGE', `${reason}: ${message}`)
    this.name = 'StorageError'
    this.reason = reason
  }
}

/** A sealed segment that is missing or damaged: what it held, other members have as well. */
export class SegmentDamaged extends StorageError {
  /** Of the block that it holds. */
  readonly firstIndex: number
  constructor(firstIndex: number, message: string) {
    super('SEGMENT_DAMAGED', message)
    this.firstIndex = firstIndex
  }
}

/** What an operator can do about a member that lost acknowledged data; part of the messages that say so. */
export const restoreAdvice =
  'The member does not start, because it could contradict what it has promised. In a cluster of several members let it ' +
  'recover from the others (ultracloud member recover); a single one is restored from a backup (ultracloud backup ' +
  'restore) or from a copy of the disk. Do not delete the directory and format it anew.'

/** What an operator can do about a blank directory. */
export const formatAdvice =
  'Is its disk mounted? A member of a new cluster is formatted once, before its first start (ultracloud member format); ' +
  'one that was in use and has lost its disk has forgotten its votes, and recovers from the others (ultracloud member recover).'
