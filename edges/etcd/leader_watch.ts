import type { CallStream } from './call_stream.ts'
import type { Member } from './member.ts'
import type { StreamMethod } from './server.ts'
import { etcdError } from './status.ts'

/** As etcd does: a leader is taken for lost after three election timeouts without one. */
const TIMEOUTS = 3

/** Ends a stream whose client asked for a leader (`hasleader: true`) once there has been none for too long. */
export function requiringLeader(
  member: Member,
  electionTimeoutMilliseconds: number,
  method: StreamMethod,
): StreamMethod {
  return async (call: CallStream) => {
    if (call.metadata['hasleader'] !== 'true') return method(call)
    if (member.log.status().leader === 0) throw etcdError('noLeader')
    let timer: NodeJS.Timeout | undefined
    const subscription = member.log.leadership.subscribe(({ leader }) => {
      clearTimeout(timer)
      timer =
        leader === 0
          ? setTimeout(() => call.finish(etcdError('noLeader')), TIMEOUTS * electionTimeoutMilliseconds)
          : undefined
    })
    try {
      await method(call)
    } finally {
      clearTimeout(timer)
      subscription.unsubscribe()
    }
  }
}
