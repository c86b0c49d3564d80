import { domain } from '../kernel/domain.ts'
import { networks } from './decide/networks.ts'
import { ports } from './decide/ports.ts'
import { securityGroups } from './decide/security_groups.ts'
import state from './state.ts'

export default domain({ state, decide: { ...networks, ...securityGroups, ...ports }, evolve: {} })
