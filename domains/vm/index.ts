import { domain } from '../kernel/domain.ts'
import { hosts } from './decide/hosts.ts'
import { images } from './decide/images.ts'
import { incarnations } from './decide/incarnations.ts'
import { instances } from './decide/instances.ts'
import { evolve } from './evolve.ts'
import { processes } from './process.ts'
import state from './state.ts'

export default domain({
  state,
  decide: { ...images, ...hosts, ...instances, ...incarnations },
  evolve,
  processes,
})
