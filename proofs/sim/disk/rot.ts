import type { SimulatedDisk } from './disk.ts'

/** What a flipped bit can hit; log/storage notices each of them in its own way. */
export const rotKinds = [
  'an entry',
  'the term and the vote',
  'the newer slot of the mark',
  'both slots of the mark',
  'the voter flag',
  'a batch in the log of the database',
] as const

/** `place` from 0 to 999 says which of many. False when there is nothing of the kind. One damage at a time: two can hide each other. */
export function rot(disk: SimulatedDisk, kind: number, place: number): boolean {
  const { medium } = disk
  switch (rotKinds[kind]) {
    case 'an entry': {
      if (medium.records.length === 0) return false
      medium.spoil(1 + Math.floor((place / 1_000) * medium.records.length))
      break
    }
    case 'the term and the vote':
      medium.spoilHardState()
      break
    case 'the newer slot of the mark':
      medium.spoilMarks(false)
      break
    case 'both slots of the mark':
      medium.spoilMarks(true)
      break
    case 'the voter flag':
      medium.isVoter = false
      break
    case 'a batch in the log of the database':
      if (!medium.dropBatch(place)) return false
      break
    default:
      return false
  }
  disk.noteDamage()
  return true
}
