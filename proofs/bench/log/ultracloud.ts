import { splitAddress } from '../../../main/config.ts'
import { ProcessCluster } from '../../failover/cluster.ts'
import type { MemberProcess } from '../../failover/member_process.ts'
import { leaderOf, type Size, type Subject, type SubjectMember } from './subject.ts'

/** Above the client address, as in the default numbers: 7420, 7423. */
const ETCD_OFFSET = 3

/** host:port of the etcd API of a member on loopback. */
export function etcdAddressOf(member: Pick<MemberProcess, 'grpc'>): string {
  const { host, port } = splitAddress(member.grpc)
  return `${host}:${port + ETCD_OFFSET}`
}

/** Our members, each a process with the role `member`, as `ultracloud up` starts it. Resolves once one leads. */
export async function startUltraCloud(size: Size): Promise<Subject> {
  const cluster = await ProcessCluster.start(size)
  const subject = subjectOf(cluster)
  try {
    await leaderOf(subject)
    return subject
  } catch (error) {
    await subject.close()
    throw error
  }
}

/** A cluster of ours as what is measured. */
export function subjectOf(cluster: ProcessCluster): Subject {
  return {
    kind: 'ultracloud',
    members: cluster.members.map(memberOf),
    close: () => cluster.close(),
  }
}

function memberOf(member: MemberProcess): SubjectMember {
  return {
    address: etcdAddressOf(member),
    get pid() {
      return member.pid
    },
    kill: () => member.kill(),
    stop: () => member.stop(),
    start: () => member.start(),
  }
}
