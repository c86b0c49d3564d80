import type { RowOf } from '../kernel/contract.ts'
import type { host } from './contract_resources.ts'

export type Host = RowOf<typeof host>

/** What is held of a host, or asked of it. */
export interface Size {
  readonly vcpus: number
  readonly memoryMebibytes: number
}

export interface Explanation {
  readonly host: string
  readonly chosen: boolean
  readonly reason: string
}

export interface Placement {
  readonly chosen: Host | undefined
  /** Of every host, in the order of their names. */
  readonly explanations: readonly Explanation[]
}

/** Virtual CPUs that may be given out for each that a host has. Memory is never given out twice. */
const VCPUS_PER_VCPU = 4

/**
 * Chooses the host of which the smallest part is given out, the larger of memory and CPU counting; among equals one with hardware
 * acceleration, then the first by name. Says of every host why it was chosen, or why not.
 */
export function place(hosts: Iterable<Host>, usage: (host: string) => Size, wanted: Size): Placement {
  const ordered = [...hosts].sort((a, b) => (a.name < b.name ? -1 : 1))
  const candidates = ordered.map((host) => {
    const held = usage(host.uid)
    return { host, obstacle: obstacleOf(host, held, wanted), load: loadOf(host, held) }
  })
  let best: (typeof candidates)[number] | undefined
  for (const candidate of candidates) {
    if (candidate.obstacle !== undefined) continue
    if (best === undefined || isBetter(candidate, best)) best = candidate
  }
  const explanations = candidates.map(({ host, obstacle, load }) => {
    const chosen = host === best?.host
    const percent = `${Math.round(load * 100)} % is given out, ${host.acceleration}`
    const reason = obstacle ?? (chosen ? percent : `fits, but ${best?.host.name} is better: here ${percent}`)
    return { host: host.name, chosen, reason }
  })
  return { chosen: best?.host, explanations }
}

function obstacleOf(host: Host, held: Size, wanted: Size): string | undefined {
  if (host.policy !== 'in-service') return `its policy is ${host.policy}`
  if (host.health !== 'up')
    return host.healthReason === '' ? `it is ${host.health}` : `it is ${host.health}: ${host.healthReason}`
  const memory = host.memoryMebibytes - held.memoryMebibytes
  if (wanted.memoryMebibytes > memory)
    return `${wanted.memoryMebibytes} MiB of memory are wanted, and ${Math.max(memory, 0)} of ${host.memoryMebibytes} are free`
  const vcpus = host.vcpus * VCPUS_PER_VCPU - held.vcpus
  if (wanted.vcpus > vcpus)
    return `${wanted.vcpus} vCPUs are wanted, and ${Math.max(vcpus, 0)} of ${host.vcpus * VCPUS_PER_VCPU} (${host.vcpus} × ${VCPUS_PER_VCPU}) are free`
  if (wanted.vcpus > host.vcpus)
    return `${wanted.vcpus} vCPUs are wanted for one instance, and it has ${host.vcpus}`
  return undefined
}

function loadOf(host: Host, held: Size): number {
  return Math.max(held.memoryMebibytes / host.memoryMebibytes, held.vcpus / (host.vcpus * VCPUS_PER_VCPU))
}

interface Candidate {
  readonly host: Host
  readonly load: number
}

function isBetter(a: Candidate, b: Candidate): boolean {
  if (a.load !== b.load) return a.load < b.load
  return a.host.acceleration === 'kvm' && b.host.acceleration === 'tcg'
}
