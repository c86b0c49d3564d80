import type { SimulatedDisk } from './disk.ts'
import type { Medium } from './medium.ts'

/** What a failing disk does to what it has; log/storage notices each of them in its own way. */
export const rotKinds = [
  'a bit of a group',
  'a sector of a group',
  'a whole group',
  'the last groups',
  'the newer slot of the mark',
  'both slots of the mark',
  'an older group in the place of a newer one',
] as const

/**
 * `place` from 0 to 999 says which of many. False when there is nothing of the kind, or storage could not notice it. One damage at a
 * time: two can hide each other.
 */
export function rot(disk: SimulatedDisk, kind: number, place: number): boolean {
  if (!damage(disk.medium, kind, place)) return false
  disk.noteDamage()
  return true
}

function damage(medium: Medium, kind: number, place: number): boolean {
  const sequence = sequenceAt(medium, place)
  switch (rotKinds[kind]) {
    case 'a bit of a group':
      medium.spoil(sequence)
      return true
    case 'a sector of a group':
      if (!medium.isWitnessed(sequence)) return false
      medium.tear(sequence)
      return true
    case 'a whole group':
      if (!medium.isWitnessed(sequence)) return false
      medium.lose(sequence)
      return true
    case 'the last groups':
      medium.lose(Math.min(sequence, medium.markedSequence), medium.firstSequence + medium.places.length - 1)
      return true
    case 'the newer slot of the mark':
      medium.spoilMarks(false)
      return true
    case 'both slots of the mark':
      medium.spoilMarks(true)
      return true
    case 'an older group in the place of a newer one': {
      const { replaced } = medium
      const found = replaced[place % Math.max(1, replaced.length)]
      if (found === undefined) return false
      medium.bringBack(found)
      return true
    }
    default:
      return false
  }
}

/** Every second one is among the newest, where crashes are. */
function sequenceAt({ places, firstSequence }: Medium, place: number): number {
  const from = place % 2 === 0 ? Math.max(0, places.length - 6) : 0
  return firstSequence + from + Math.floor((place / 1_000) * (places.length - from))
}
