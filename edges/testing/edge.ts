import { onTestFinished } from 'vitest'
import { Api } from '../grpc/api.ts'
import { ApiClient } from '../grpc/client.ts'
import { Forwarder } from '../grpc/forward.ts'
import { type GrpcServerOptions, startGrpcServer } from '../grpc/server.ts'
import { type RestServerOptions, startRestServer } from '../rest/server.ts'
import { FakeControlPlane, TOKEN } from './fake_control_plane.ts'

const GRACE_MS = 500

/** A gRPC server before a fake cloud, for one test: what it noted as a fault is in `faults`. */
export async function grpcEdge(options: Partial<GrpcServerOptions> = {}) {
  const control = new FakeControlPlane()
  const api = new Api(control.registry)
  const forwarder = new Forwarder(api)
  const faults: unknown[] = []
  const onFault = (error: unknown): void => {
    faults.push(error)
  }
  const server = await startGrpcServer({
    control,
    api,
    forwarder,
    address: '127.0.0.1:0',
    onFault,
    ...options,
  })
  const address = `127.0.0.1:${server.port}`
  onTestFinished(async () => {
    forwarder.close()
    await server.close(GRACE_MS)
  })
  const client = (token: string | undefined = TOKEN): ApiClient => {
    const made = new ApiClient(api, address, token)
    onTestFinished(() => made.close())
    return made
  }
  return { control, api, address, server, faults, client }
}

/** A REST server before a fake cloud, for one test. */
export async function restEdge(options: Partial<RestServerOptions> = {}) {
  const control = new FakeControlPlane()
  const forwarder = new Forwarder(new Api(control.registry))
  const faults: unknown[] = []
  const server = await startRestServer({
    control,
    forward: forwarder,
    host: '127.0.0.1',
    port: 0,
    onFault: (error) => {
      faults.push(error)
    },
    ...options,
  })
  onTestFinished(async () => {
    forwarder.close()
    await server.close(GRACE_MS)
  })
  return { control, url: `http://127.0.0.1:${server.port}`, port: server.port, faults }
}
