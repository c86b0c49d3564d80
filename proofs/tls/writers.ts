import { newCommandId } from '../../domains/kernel/uuid.ts'
import { Cloud } from '../../edges/cli/cloud.ts'
import type { Api } from '../../edges/grpc/api.ts'
import { readMaterial } from '../../log/tls/material.ts'
import type { TlsCluster } from './cluster.ts'

/** Runs commands one after the other, each as the command line does: connections of its own, every member, retries. */
export class Writer {
  /** What was acknowledged, in order. */
  readonly names: string[] = []
  /** What failed after all retries. */
  readonly failures: string[] = []
  readonly #stopped = new AbortController()
  readonly #running: Promise<void>

  constructor(name: string, cluster: TlsCluster, api: Api, token: string) {
    this.#running = this.#run(name, cluster, api, token)
  }

  async stop(): Promise<void> {
    this.#stopped.abort()
    await this.#running
  }

  async #run(name: string, cluster: TlsCluster, api: Api, token: string): Promise<void> {
    for (let index = 0; !this.#stopped.signal.aborted; index++) {
      const vpc = `${name}-${index}`
      // Every command begins with another member: two of three are passed on to the leader.
      const servers = cluster.machines.map((_, at) => clientOf(cluster, at + index))
      try {
        const cloud = new Cloud({
          api,
          servers,
          token,
          tls: await readMaterial({ caFile: cluster.caFile }),
          timeoutMilliseconds: 20_000,
          signal: new AbortController().signal,
          note: () => undefined,
        })
        const data = { project: 'default', name: vpc, cidr: '10.0.0.0/16' }
        await cloud
          .command({ type: 'vpc.CreateVpc', data, commandId: newCommandId() })
          .finally(() => cloud.close())
        this.names.push(vpc)
      } catch (error) {
        this.failures.push(`${vpc}: ${(error as Error).message}`)
        return
      }
    }
  }
}

function clientOf({ machines }: TlsCluster, at: number): string {
  const machine = machines[at % machines.length]
  if (machine === undefined) throw new RangeError('a cluster without members')
  return machine.addresses.client
}
