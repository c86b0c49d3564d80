import { domain } from '../kernel/domain.ts'
import { authorize } from './authorize.ts'
import { bindings } from './decide/bindings.ts'
import { bootstrap } from './decide/bootstrap.ts'
import { principals } from './decide/principals.ts'
import { roles } from './decide/roles.ts'
import { tenants } from './decide/tenants.ts'
import { tokens } from './decide/tokens.ts'
import state from './state.ts'

export default domain({
  state,
  decide: { ...bootstrap, ...tenants, ...principals, ...roles, ...bindings, ...tokens },
  evolve: {},
  authorize,
})
