import type { LogOptions } from '../node-options.ts'
import type { MemberId, Message } from '../raft/types.ts'
import { Incoming } from './incoming.ts'
import { Outgoing } from './outgoing.ts'
import type { Transport, TransportPorts } from './transport.ts'

type TransportOptions = Pick<
  LogOptions,
  'clusterId' | 'clusterSecret' | 'memberId' | 'members' | 'listen' | 'warn'
>

/**
 * Listens for peers and connects to them, over gRPC. `voteMilliseconds` is how long an answer to a vote is waited for.
 * Throws LogError when it cannot listen.
 */
export async function startTransport(
  options: TransportOptions,
  voteMilliseconds: number,
  ports: TransportPorts,
): Promise<Transport & { readonly port: number }> {
  const { clusterId, clusterSecret, memberId } = options
  const others = options.members.filter(({ id }) => id !== memberId)
  const identity = { clusterId, clusterSecret, memberId, peers: others.map(({ id }) => id) }
  const incoming = new Incoming(identity, ports)
  const port = await incoming.listen(options.listen.host, options.listen.port)
  const warn = options.warn ?? (() => undefined)
  const outgoing = new Map<MemberId, Outgoing>()
  for (const { id, peerAddress } of others) {
    const peer = new Outgoing(identity, id, peerAddress, voteMilliseconds, { deliver: ports.deliver, warn })
    outgoing.set(id, peer)
  }
  return {
    port,
    send: (message) => route(message, incoming, outgoing),
    close: async () => {
      for (const peer of outgoing.values()) peer.close()
      await incoming.close()
    },
  }
}

function route(message: Message, incoming: Incoming, outgoing: ReadonlyMap<MemberId, Outgoing>): void {
  switch (message.type) {
    case 'vote_request':
      outgoing.get(message.to)?.vote(message)
      return
    case 'probe_request':
      outgoing.get(message.to)?.probe(message)
      return
    case 'append_request':
      outgoing.get(message.to)?.append(message)
      return
    case 'vote_response':
      incoming.answerVote(message)
      return
    case 'probe_response':
      incoming.answerProbe(message)
      return
    case 'append_response':
      incoming.respond(message)
  }
}
