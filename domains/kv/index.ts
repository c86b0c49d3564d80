import { domain } from '../kernel/domain.ts'
import { decide } from './decide.ts'
import { adopt, evolve } from './evolve.ts'
import state from './state.ts'

export default domain({ state, decide, evolve, adopt })
