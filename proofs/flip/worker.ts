import { loadDomains } from '../../domains/load.ts'
import { type Asked, type Flip, type Flipped, type Original, tryFlip } from './flip.ts'

/** What a process of its own is to try, and what came of it. */
export interface Task {
  readonly original: Omit<Original, 'registry' | 'others'>
  readonly copy: string
  readonly flip: Flip
  readonly asked: Asked
  /** The copy is there, as a process left it that did not come to its end. */
  readonly again: boolean
}

export interface Done {
  readonly flipped: Flipped
  /** Of the process so far, in microseconds. */
  readonly cpu: number
}

const registry = await loadDomains()
const others: Original['others'] = new Map()

process.on('message', ({ original, copy, flip, asked, again }: Task) => {
  void tryFlip({ ...original, registry, others }, copy, flip, asked, again).then((flipped) => {
    const { user, system } = process.cpuUsage()
    process.send?.({ flipped, cpu: user + system } satisfies Done)
  })
})
