import { setTimeout as sleep } from 'node:timers/promises'
import type { End, Links } from '../cluster/network.ts'
import type { Random } from '../workload/random.ts'
import type { Fault, FaultContext } from './fault.ts'

interface Pattern {
  readonly name: string
  /** The links, each one way, that are cut. */
  readonly cuts: (target: number, others: readonly number[], random: Random) => readonly [End, End][]
}

const both = (one: End, other: End): readonly [End, End][] => [
  [one, other],
  [other, one],
]

const patterns: readonly Pattern[] = [
  {
    name: 'cut off from the others',
    cuts: (target, others) => others.flatMap((other) => both(target, other)),
  },
  {
    name: 'cut off from all',
    cuts: (target, others) => [...others, 'clients' as const].flatMap((other) => both(target, other)),
  },
  {
    name: 'deaf to the others',
    cuts: (target, others) => others.map((other): [End, End] => [other, target]),
  },
  {
    name: 'not heard by the others',
    cuts: (target, others) => others.map((other): [End, End] => [target, other]),
  },
  { name: 'cut off from one', cuts: (target, others, random) => both(target, random.pick(others)) },
  { name: 'not heard by one', cuts: (target, others, random) => [[target, random.pick(others)]] },
  { name: 'cut off from clients', cuts: (target) => both(target, 'clients') },
]

/** Some links of a member are cut, both ways or one, and healed. */
export function linkFault(links: Links): Fault {
  return async (context) => {
    const { random, target, signal } = context
    const pattern = random.pick(patternsFor(context))
    const others = context.cluster.members.map(({ index }) => index).filter((index) => index !== target.index)
    const cuts = pattern.cuts(target.index, others, random)
    const milliseconds = random.between(500, 4_000)
    try {
      for (const [from, to] of cuts) await links.cut(from, to)
      await sleep(milliseconds, undefined, { signal }).catch(() => undefined)
    } finally {
      for (const [from, to] of cuts) await links.heal(from, to)
    }
    return { what: `${target.name} ${pattern.name} for ${milliseconds.toFixed(0)} ms` }
  }
}

function patternsFor({ cluster }: FaultContext): readonly Pattern[] {
  return cluster.members.length > 1
    ? patterns
    : patterns.filter(({ name }) => name === 'cut off from clients')
}
