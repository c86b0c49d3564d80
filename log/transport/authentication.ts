import { createHash, timingSafeEqual } from 'node:crypto'
import type { PeerCertificate } from 'node:tls'
import { Metadata, status } from '@grpc/grpc-js'
import type { MemberId } from '../raft/types.ts'
import { identitiesOf, memberIdentity } from '../tls/identity.ts'

/** Who calls whom, in the metadata of every call between members. */
export interface PeerIdentity {
  readonly clusterId: string
  readonly clusterSecret: string
  readonly memberId: MemberId
  readonly peers: readonly MemberId[]
  /** Whether a caller must show the certificate of the member that it says it is. */
  readonly certificates: boolean
}

/** What a connection proved of its caller; a certificate is there only when it holds. */
export interface CallerProof {
  readonly sslPeerCertificate?: PeerCertificate
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
export function checkCall(
  identity: PeerIdentity,
  metadata: Metadata,
  proof: CallerProof,
): MemberId | Refusal {
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
  if (peer === undefined)
    return { code: status.FAILED_PRECONDITION, details: `member ${from} is not a peer of this member` }
  return identity.certificates ? (checkCertificate(identity, peer, proof) ?? peer) : peer
}

function checkCertificate(
  { clusterId }: PeerIdentity,
  peer: MemberId,
  { sslPeerCertificate }: CallerProof,
): Refusal | undefined {
  const identities = sslPeerCertificate === undefined ? [] : identitiesOf(sslPeerCertificate)
  const wanted = memberIdentity(clusterId, peer)
  if (identities.includes(wanted)) return undefined
  const shown = identities.length === 0 ? 'no member' : identities.join(' and ')
  return { code: status.PERMISSION_DENIED, details: `the certificate is of ${shown}, not of ${wanted}` }
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
