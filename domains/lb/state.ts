import type { RowOf } from '../kernel/contract.ts'
import { indexes, state } from '../kernel/domain.ts'
import { addressKey, parseAddress, takenSums } from '../kernel/ipv4.ts'
import contract, { listener, loadBalancer } from './contract.ts'

type LoadBalancer = RowOf<typeof loadBalancer>

/** All load balancers share one space of addresses. */
export const CLUSTER = 'cluster'

export function portKey(loadBalancer: string, port: number): string {
  return `${loadBalancer} ${port}`
}

export default state(
  contract,
  {
    load_balancer: indexes(loadBalancer)({
      unique: { address: (row: LoadBalancer) => addressKey(CLUSTER, parseAddress(row.address)) },
      sum: takenSums<LoadBalancer>((row) => [CLUSTER, parseAddress(row.address)]),
    }),
    listener: indexes(listener)({ unique: { port: (row) => portKey(row.loadBalancer, row.port) } }),
  },
  {},
)
