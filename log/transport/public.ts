import type { handleUnaryCall } from '@grpc/grpc-js'
import type { LogStatus, MemberStatus } from '../log.ts'
import { codecOf, type Method, methodOf, type Uint64 } from './schema.ts'

type Empty = Record<string, never>

export interface MemberListResponse {
  readonly clusterId: string
  readonly members: readonly MemberStatus[]
}

export interface StatusResponse {
  readonly clusterId: string
  readonly memberId: number
  readonly term: Uint64
  readonly leader: number
  readonly role: number
  readonly lastIndex: Uint64
  readonly commitIndex: Uint64
  readonly sizeBytes: Uint64
}

const roleCodes: Readonly<Record<LogStatus['role'], number>> = {
  follower: 1,
  'pre-candidate': 2,
  candidate: 3,
  leader: 4,
}

/** `ultracloud.chainfire.v1.Chainfire`, for a server of @grpc/grpc-js or a client. */
export const chainfireService: {
  readonly memberList: Method<Empty, MemberListResponse>
  readonly status: Method<Empty, StatusResponse>
} = {
  memberList: methodOf(
    'Chainfire',
    'MemberList',
    codecOf('MemberListRequest'),
    codecOf('MemberListResponse'),
  ),
  status: methodOf('Chainfire', 'Status', codecOf('StatusRequest'), codecOf('StatusResponse')),
}

export type ChainfireHandlers = {
  readonly memberList: handleUnaryCall<Empty, MemberListResponse>
  readonly status: handleUnaryCall<Empty, StatusResponse>
}

/** What answers `chainfireService`, on the peer port and on the client edge alike. */
export function chainfireHandlers(status: () => LogStatus): ChainfireHandlers {
  return {
    memberList: (_call, answer) => {
      const { clusterId, members } = status()
      answer(null, { clusterId, members })
    },
    status: (_call, answer) => {
      const { role, ...known } = status()
      answer(null, { ...known, role: roleCodes[role] })
    },
  }
}
