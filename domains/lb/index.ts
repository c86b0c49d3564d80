import { domain } from '../kernel/domain.ts'
import { loadBalancers } from './decide/load_balancers.ts'
import { pools } from './decide/pools.ts'
import state from './state.ts'

export default domain({ state, decide: { ...loadBalancers, ...pools }, evolve: {} })
