import type { Backend } from './backend.ts'
import type { Algorithm } from './listener-row.ts'
import { hashText, rendezvousScore } from './source-hash.ts'

/** Picks one of `candidates` (each with a weight above 0) for a client's address; null when there is none. */
export type Choose = (candidates: readonly Backend[], source: string) => Backend | null

/**
 * Smooth weighted round robin, as nginx has it (ngx_http_upstream_get_peer): every candidate gains its weight, the
 * richest wins and pays the sum. With weights 5, 1, 1 the order is a a b a c a a, not a a a a a b c.
 */
export function chooseRoundRobin(candidates: readonly Backend[]): Backend | null {
  let total = 0
  let best: Backend | null = null
  for (const candidate of candidates) {
    candidate.currentWeight += candidate.weight
    total += candidate.weight
    if (best === null || candidate.currentWeight > best.currentWeight) best = candidate
  }
  if (best !== null) best.currentWeight -= total
  return best
}

/** Fewest connections for its weight; those that are equal take turns by smooth weighted round robin. */
export function chooseLeastConnections(candidates: readonly Backend[]): Backend | null {
  let least = Number.POSITIVE_INFINITY
  let equals: Backend[] = []
  for (const candidate of candidates) {
    const load = candidate.connections / candidate.weight
    if (load < least) {
      least = load
      equals = [candidate]
    } else if (load === least) {
      equals.push(candidate)
    }
  }
  return chooseRoundRobin(equals)
}

/** The same source goes to the same member, by weighted rendezvous hashing. */
export function chooseBySource(candidates: readonly Backend[], source: string): Backend | null {
  const sourceHash = hashText(source)
  let best: Backend | null = null
  let bestScore = Number.NEGATIVE_INFINITY
  for (const candidate of candidates) {
    const score = rendezvousScore(sourceHash, candidate.hash, candidate.weight)
    if (score > bestScore) {
      bestScore = score
      best = candidate
    }
  }
  return best
}

export const chooseBy: Readonly<Record<Algorithm, Choose>> = {
  ROUND_ROBIN: chooseRoundRobin,
  LEAST_CONNECTIONS: chooseLeastConnections,
  SOURCE_IP: chooseBySource,
}
