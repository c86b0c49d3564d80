import { RawClient } from '../../../edges/etcd/testing/client.ts'
import { until } from '../../failover/until.ts'

const LEADER_TIMEOUT_MS = 30_000

export type Size = 1 | 3

/** A member that serves the etcd v3 API: a process of its own. */
export interface SubjectMember {
  /** host:port of the etcd API. */
  readonly address: string
  readonly pid: number
  /** SIGKILL. Resolves once it is gone. */
  kill(): Promise<void>
  /** SIGTERM. Resolves once it is gone. */
  stop(): Promise<unknown>
  /** Again, on the same directory. Resolves once it serves. */
  start(): Promise<unknown>
}

/** A cluster under measurement: ours, or etcd's. */
export interface Subject {
  readonly kind: 'ultracloud' | 'etcd'
  readonly members: readonly SubjectMember[]
  /** Ends its processes, and removes what they wrote. */
  close(): Promise<void>
}

/** The member that says of itself that it leads; the same question to both. */
export function leaderOf(subject: Subject): Promise<SubjectMember> {
  return until(`a leader of ${subject.kind}`, LEADER_TIMEOUT_MS, async () => {
    const leading = await Promise.all(subject.members.map((member) => leads(member.address)))
    return subject.members.find((_, index) => leading[index])
  })
}

async function leads(address: string): Promise<boolean> {
  using client = new RawClient(address)
  const answer = await client.call('Maintenance/Status', 'StatusRequest', 'StatusResponse', {})
  if (!answer.ok) return false
  const { memberId } = answer.message['header'] as { readonly memberId: { toString(): string } }
  const leader = String(answer.message['leader'])
  return leader !== '0' && leader === String(memberId)
}

/** The other members. */
export function followersOf(subject: Subject, leader: SubjectMember): readonly SubjectMember[] {
  return subject.members.filter((member) => member !== leader)
}

/** So many runs of each, by turns; who begins alternates too, so that neither always comes second. */
export async function alternate<T>(
  runs: number,
  subjects: readonly [ours: Subject, etcd: Subject],
  run: (subject: Subject, run: number) => Promise<T>,
): Promise<{ readonly ours: readonly T[]; readonly etcd: readonly T[] }> {
  const found = { ultracloud: [] as T[], etcd: [] as T[] }
  for (let index = 0; index < runs; index++) {
    const order = index % 2 === 0 ? subjects : subjects.toReversed()
    for (const subject of order) found[subject.kind].push(await run(subject, index))
  }
  return { ours: found.ultracloud, etcd: found.etcd }
}
