/** Every fault there is, by class. */
export const faultClasses = {
  network: [
    'lost message',
    'duplicated message',
    'reordered message',
    'message on a cut link',
    'message on a clogged link',
    'partition',
    'isolation',
    'cut in one direction',
    'clog',
  ],
  disk: [
    'read fault',
    'write fault',
    'misdirected write',
    'lost write',
    'torn write',
    'lost unsynced write',
    'bit rot',
    'slow disk',
  ],
  process: ['crash', 'crash of all', 'restart', 'pause', 'wipe', 'wipe out of sight', 'refused start'],
  clock: ['drift', 'step', 'stop'],
} as const

export type FaultClass = keyof typeof faultClasses
export type FaultName = (typeof faultClasses)[FaultClass][number]
export type CountFault = (name: FaultName) => void
export type FaultCounts = Record<FaultName, number>

const names: readonly FaultName[] = Object.values(faultClasses).flat()

export function noFaults(): FaultCounts {
  return Object.fromEntries(names.map((name) => [name, 0])) as FaultCounts
}

export function addFaults(total: FaultCounts, more: Readonly<FaultCounts>): void {
  for (const name of names) total[name] += more[name]
}

/** One line a class. */
export function faultLines(counts: Readonly<FaultCounts>): string[] {
  return Object.entries(faultClasses).map(([faultClass, inClass]) => {
    const parts = inClass.map((name) => `${counts[name]} ${name}`)
    return `${faultClass}: ${parts.join(', ')}`
  })
}
