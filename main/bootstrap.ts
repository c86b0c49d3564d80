import iam from '../domains/iam/contract.ts'
import { tokenValue } from '../domains/iam/token.ts'
import { Rejection } from '../domains/kernel/rejection.ts'
import type { MemberNode } from './node.ts'
import { readOrCreate } from './secrets.ts'

const WAIT_MS = 60_000
const POLL_MS = 50

/**
 * Makes the first administrator where there is none yet, and puts its token into a file of mode 0600. Every member does this, whoever leads.
 * Returns true when this call made the administrator. Rejects with TIMEOUT when the members find no leader.
 */
export async function bootstrap(node: MemberNode, tokenFile: string): Promise<boolean> {
  const deadline = performance.now() + WAIT_MS
  let made = false
  const users = node.platform.engine.state.resource(iam, 'user')
  while (users.size === 0) {
    if (node.platform.leading) made = await tryBootstrap(node)
    if (made) break
    if (performance.now() > deadline) {
      throw new Rejection(
        'TIMEOUT',
        `no leader was found in ${WAIT_MS / 1000} s: are a majority of the members running, and can they reach each other?`,
      )
    }
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
  const tokens = [...node.platform.engine.state.resource(iam, 'token').values()]
  const first = tokens
    .filter(({ user, revoked }) => user !== null && !revoked)
    .sort((a, b) => a.createdRevision - b.createdRevision)[0]
  if (first !== undefined) await readOrCreate(tokenFile, () => tokenValue(node.masterKey, first.uid))
  return made
}

async function tryBootstrap(node: MemberNode): Promise<boolean> {
  const actor = { principal: 'process:bootstrap', kind: 'process' } as const
  try {
    await node.platform.submit({
      type: 'iam.Bootstrap',
      data: {},
      actor,
      commandId: '',
      cause: 'the cloud is new',
    })
    return true
  } catch (error) {
    if (error instanceof Rejection && again.has(error.code)) return false
    throw error
  }
}

/** Another member was first, or it is to be tried again. */
const again: ReadonlySet<string> = new Set([
  'FAILED_PRECONDITION',
  'ALREADY_EXISTS',
  'NOT_LEADER',
  'OUTCOME_UNKNOWN',
  'OVERLOADED',
  'TIMEOUT',
  'UNAVAILABLE',
])
