import { z } from 'zod'
import { faultKinds } from './faults/fault.ts'

/** What the line with the figures begins with. */
export const OUTCOME = 'outcome '

export const SECONDS_MAX = 3_600
export const CLIENTS_MAX = 64
export const SEED_MAX = 0x7fff_ffff

const Options = z.strictObject({
  /** How long faults and operations go on. */
  seconds: z.number().positive().max(SECONDS_MAX),
  /** They go on for longer, within bounds, until so many operations were answered, and watchers were told of so many events. */
  operationsMin: z.int().min(0),
  watchEventsMin: z.int().min(0),
  /** What clients do, and what is done to members, follows from it; when it happens does not. */
  seed: z.int().min(0).max(SEED_MAX),
  clients: z.int().min(1).max(CLIENTS_MAX),
  members: z.union([z.literal(1), z.literal(3), z.literal(5)]),
  faults: z.array(z.enum(faultKinds)),
  /** Whether each member has a network namespace of its own: links cannot be cut otherwise. */
  namespaces: z.boolean(),
})
export type ProofOptions = z.output<typeof Options>

/** Throws RangeError, saying which option is not one. */
export function optionsOf(data: unknown): ProofOptions {
  const parsed = Options.safeParse(data)
  if (parsed.success) return parsed.data
  throw new RangeError(
    parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '),
  )
}
