import { createHash, timingSafeEqual } from 'node:crypto'
import { Metadata, status } from '@grpc/grpc-js'
import type { MemberId } from '../raft/types.ts'

/** Who calls whom, in the metadata of every call between members. */
export interface PeerIdentity {
  readonly clusterId: string
  readonly clusterSecret: string
  readonly memberId: MemberId
  readonly peers: readonly MemberId[]
}

export interface Refusal {
  readonly code: status
  readonly details: string
}

const clusterKey = 'ultracloud-cluster-id'
const secretKey = 'ultracloud-cluster-secret'
const fromKey = 'ultracloud-from'
const toKey = 'ultracloud-to'

export function callMetadata(identity: PeerIdentity, to: MemberId): Metadata {
  const metadata = new Metadata()
  metadata.set(clusterKey, identity.clusterId)
  metadata.set(secretKey, secretText(identity.clusterSecret))
  metadata.set(fromKey, String(identity.memberId))
  metadata.set(toKey, String(to))
  return metadata
}

/** The peer that calls, or why it is refused. The secret is compared first, and in constant time. */
export function checkCall(identity: PeerIdentity, metadata: Metadata): MemberId | Refusal {
  const secret = digest(textOf(metadata, secretKey))
  if (!timingSafeEqual(secret, digest(secretText(identity.clusterSecret)))) {
    return { code: status.UNAUTHENTICATED, details: 'the cluster secret is not the one of this cluster' }
  }
  const clusterId = textOf(metadata, clusterKey)
  if (clusterId !== identity.clusterId) {
    const details = `this member belongs to cluster ${identity.clusterId}, not to ${clusterId}`
    return { code: status.FAILED_PRECONDITION, details }
  }
  const to = textOf(metadata, toKey)
  if (to !== String(identity.memberId)) {
    return {
      code: status.FAILED_PRECONDITION,
      details: `this is member ${identity.memberId}, not member ${to}`,
    }
  }
  const from = textOf(metadata, fromKey)
  const peer = identity.peers.find((id) => String(id) === from)
  return peer ?? { code: status.FAILED_PRECONDITION, details: `member ${from} is not a peer of this member` }
}

/** Metadata takes printable ASCII alone; a secret may be anything. */
function secretText(secret: string): string {
  return Buffer.from(secret, 'utf8').toString('base64')
}

function textOf(metadata: Metadata, key: string): string {
  const value = metadata.get(key)[0]
  return typeof value === 'string' ? value : ''
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
