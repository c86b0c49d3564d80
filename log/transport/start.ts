import { credentials } from '@grpc/grpc-js'
import type { LogOptions } from '../node-options.ts'
import type { MemberId, Message } from '../raft/types.ts'
import { checkMember, TlsChannelCredentials } from '../tls/channel_credentials.ts'
import { Incoming } from './incoming.ts'
import { Outgoing } from './outgoing.ts'
import type { Transport, TransportPorts } from './transport.ts'

type TransportOptions = Pick<
  LogOptions,
  'clusterId' | 'clusterSecret' | 'memberId' | 'members' | 'listen' | 'tls' | 'warn'
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
  const { clusterId, clusterSecret, memberId, tls, warn = () => undefined } = options
  const others = options.members.filter(({ id }) => id !== memberId)
  const peers = others.map(({ id }) => id)
  const identity = { clusterId, clusterSecret, memberId, peers, certificates: tls !== undefined }
  const incoming = new Incoming(identity, ports)
  const { host, port: wanted } = options.listen
  const secure =
    tls === undefined
      ? undefined
      : { tls, clients: 'required' as const, warn: (text: string) => warn(`peer port: ${text}`) }
  const port = await incoming.listen(host, wanted, secure)
  const outgoing = new Map<MemberId, Outgoing>()
  for (const { id, peerAddress } of others) {
    const secured =
      tls === undefined
        ? credentials.createInsecure()
        : new TlsChannelCredentials(tls, checkMember(clusterId, id))
    const peer = new Outgoing(identity, id, peerAddress, secured, voteMilliseconds, {
      deliver: ports.deliver,
      warn,
    })
    outgoing.set(id, peer)
  }
  return {
    port,
    send: (message) => route(message, incoming, outgoing),
    fetchBlock: (peer, firstIndex, signal) => {
      const known = outgoing.get(peer)
      if (known === undefined) throw new RangeError(`member ${peer} is no peer`)
      return known.block(firstIndex, signal)
    },
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
