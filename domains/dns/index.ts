import { domain } from '../kernel/domain.ts'
import { recordSets } from './decide/record_sets.ts'
import { zones } from './decide/zones.ts'
import state from './state.ts'

export default domain({ state, decide: { ...zones, ...recordSets }, evolve: {} })
