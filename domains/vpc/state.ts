import type { RowOf } from '../kernel/contract.ts'
import { indexes, state } from '../kernel/domain.ts'
import { addressKey, parseAddress, takenSums } from '../kernel/ipv4.ts'
import contract, { port, subnet } from './contract.ts'

type Port = RowOf<typeof port>

export default state(
  contract,
  {
    subnet: indexes(subnet)({ index: { vpc: ({ vpc }) => vpc } }),
    port: indexes(port)({
      unique: { address: (row: Port) => addressKey(row.subnet, parseAddress(row.address)) },
      sum: {
        ...takenSums<Port>((row) => [row.subnet, parseAddress(row.address)]),
        taken: { key: (row: Port) => row.subnet, amount: () => 1 },
      },
    }),
  },
  {},
)
