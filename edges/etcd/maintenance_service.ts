import type { CallStream } from './call_stream.ts'
import type { Member } from './member.ts'
import { decode, encode } from './messages.ts'
import type { StreamMethod } from './server.ts'
import { snapshot } from './snapshot.ts'
import { etcdError, StatusError } from './status.ts'
import type { UnaryMethod } from './unary_call.ts'
import type { WatchHub } from './watch_hub.ts'

const SERVICE = '/etcdserverpb.Maintenance/'
/** The etcd whose API this is compared with. */
const API_VERSION = '3.4.23'
const ALARM_GET = 0

/** Makes a backup of this member, in chunks. */
export type Backup = (signal: AbortSignal) => AsyncIterable<Uint8Array>

export function maintenanceMethods(member: Member, hub: WatchHub): [path: string, method: UnaryMethod][] {
  const header = () => member.header(hub.revision)
  const hash = async (revision: number) => {
    const upTo = revision > 0 ? revision : hub.revision
    return member.ask('hash', { revision: upTo })
  }
  return [
    [
      `${SERVICE}Status`,
      async () => {
        const { leader, commitIndex, term } = member.log.status()
        const { sizeBytes, sizeInUseBytes } = await member.askNow('progress', {})
        return encode('StatusResponse', {
          header: header(),
          version: API_VERSION,
          dbSize: sizeBytes,
          dbSizeInUse: sizeInUseBytes,
          leader: member.idOf(leader),
          raftIndex: commitIndex,
          raftTerm: term,
          raftAppliedIndex: member.platform.applied.revision,
          errors: leader === 0 ? [etcdError('noLeader').message] : [],
        })
      },
    ],
    [
      `${SERVICE}HashKV`,
      async (request) => {
        const { hash: value, compacted } = await hash(decode('HashKVRequest', request).revision.toNumber())
        return encode('HashKVResponse', { header: header(), hash: value, compactRevision: compacted })
      },
    ],
    [`${SERVICE}Hash`, async () => encode('HashResponse', { header: header(), hash: (await hash(0)).hash })],
    [
      `${SERVICE}Alarm`,
      async (request) => {
        const { action } = decode('AlarmRequest', request)
        if (action > ALARM_GET + 2)
          throw new StatusError('INVALID_ARGUMENT', 'etcdserver: unknown alarm action')
        return encode('AlarmResponse', { header: header() })
      },
    ],
    [`${SERVICE}Defragment`, async () => encode('DefragmentResponse', { header: header() })],
    [
      `${SERVICE}MoveLeader`,
      async () => {
        throw new StatusError(
          'UNIMPLEMENTED',
          'etcdserver: leadership moves by itself when the leader shuts down',
        )
      },
    ],
  ]
}

/** Streams a backup of this cloud, which `ultracloud backup` verifies and restores. */
export function snapshotMethod(
  member: Member,
  hub: WatchHub,
  backup: Backup,
): [path: string, method: StreamMethod] {
  const method = async (call: CallStream): Promise<void> => {
    for await (const { blob, remaining } of snapshot(backup(call.signal))) {
      if (call.signal.aborted) return
      const header = member.header(hub.revision)
      await call.send(encode('SnapshotResponse', { header, remainingBytes: remaining, blob }))
    }
  }
  return [`${SERVICE}Snapshot`, method]
}
