import type { PeerCertificate } from 'node:tls'
import type { MemberId } from '../raft/types.ts'

/** What a member's certificate names it by, in a URI of the subject's alternative names (RFC 5280, 4.2.1.6). */
export function memberIdentity(clusterId: string, memberId: MemberId): string {
  return `ultracloud://${encodeURIComponent(clusterId)}/member/${memberId}`
}

/** One name of the text that Node makes of a certificate; a value with anything special in it is a JSON string. */
const alternativeName = /(?:^|, )([A-Za-z0-9 ]+):("(?:[^"\\]|\\.)*"|[^,"]*)/gy

/** The URIs that a certificate names its subject by. Empty for a text that is not wholly understood. */
export function identitiesOf({
  subjectaltname: text = '',
}: Pick<PeerCertificate, 'subjectaltname'>): readonly string[] {
  const uris: string[] = []
  let end = 0
  for (const found of text.matchAll(alternativeName)) {
    const [whole, kind, value] = found
    if (kind === 'URI' && value !== undefined && !value.startsWith('"')) uris.push(value)
    end = found.index + whole.length
  }
  return end === text.length ? uris : []
}

/** What the certificate of a client that may use the etcd API names it by. */
export function etcdClientIdentity(clusterId: string, name: string): string {
  return `ultracloud://${encodeURIComponent(clusterId)}/etcd/${encodeURIComponent(name)}`
}

/** Whether a certificate may use the etcd API: it is of a member, or issued for that. */
export function mayUseEtcd(certificate: Pick<PeerCertificate, 'subjectaltname'>, clusterId: string): boolean {
  const prefix = etcdClientIdentity(clusterId, '')
  return isMember(certificate, clusterId) || identitiesOf(certificate).some((uri) => uri.startsWith(prefix))
}

/** Whether a certificate is of some member of the cluster. */
export function isMember(certificate: Pick<PeerCertificate, 'subjectaltname'>, clusterId: string): boolean {
  const prefix = memberIdentity(clusterId, 0).slice(0, -1)
  return identitiesOf(certificate).some((uri) => uri.startsWith(prefix))
}
