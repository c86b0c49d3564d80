import { indexes, state } from '../kernel/domain.ts'
import contract, { binding, token } from './contract.ts'

export default state(
  contract,
  {
    binding: indexes(binding)({
      index: {
        principal: ({ user, serviceAccount }) => user ?? serviceAccount ?? undefined,
        role: ({ role }) => role,
      },
    }),
    token: indexes(token)({
      index: { principal: ({ user, serviceAccount }) => user ?? serviceAccount ?? undefined },
    }),
  },
  {},
)
