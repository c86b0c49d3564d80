import type { ControlPlane } from '../edges/control_plane.ts'
import { Api } from '../edges/grpc/api.ts'
import { Forwarder } from '../edges/grpc/forward.ts'
import type { GrpcServer } from '../edges/grpc/server.ts'
import type { RestServer } from '../edges/rest/server.ts'
import type { TlsChannelCredentials } from '../log/tls/channel_credentials.ts'
import type { SecureListening } from '../log/tls/grpc_listener.ts'
import { type Listen, splitAddress } from './config.ts'
import { listening } from './listen_error.ts'
import { pause } from './pause.ts'

const STOP_GRACE_MS = 2000

export interface EdgesOptions {
  readonly control: ControlPlane
  readonly listen: Listen
  /** With which calls are passed on to the leader; undefined for plaintext. */
  readonly toLeader: TlsChannelCredentials | undefined
  /** How an edge is served; undefined for plaintext. */
  readonly secureFor: (what: string) => SecureListening | undefined
  readonly onFault: (error: unknown, where: string) => void
  /** What is to be done at the end, the last first: each step is added as soon as it is due. */
  readonly closing: (() => Promise<void>)[]
}

/** Loads what serving takes, with pauses: it is long. */
export async function loadEdges(): Promise<void> {
  await import('../edges/grpc/server.ts')
  await pause()
  await import('../edges/rest/server.ts')
  await pause()
}

/** Serves gRPC and REST of a member, with pauses between the steps. Throws Error, naming it, when an address cannot be had. */
export async function startEdges({
  control,
  listen,
  toLeader,
  secureFor,
  onFault,
  closing,
}: EdgesOptions): Promise<{ readonly grpc: GrpcServer; readonly rest: RestServer }> {
  const { startGrpcServer } = await import('../edges/grpc/server.ts')
  const api = new Api(control.registry)
  const forwarder = new Forwarder(api, toLeader)
  closing.push(async () => forwarder.close())
  await pause()
  const grpc = await listening('gRPC', listen.grpc, () =>
    startGrpcServer({
      control,
      onFault,
      api,
      forwarder,
      address: listen.grpc,
      secure: secureFor('gRPC'),
    }),
  )
  closing.push(() => grpc.close(STOP_GRACE_MS))
  await pause()
  const { startRestServer } = await import('../edges/rest/server.ts')
  const rest = await listening('REST', listen.rest, () =>
    startRestServer({
      control,
      onFault,
      forward: forwarder,
      ...splitAddress(listen.rest),
      secure: secureFor('REST'),
    }),
  )
  closing.push(() => rest.close(STOP_GRACE_MS))
  return { grpc, rest }
}
