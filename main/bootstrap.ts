import iam from '../domains/iam/contract.ts'
import { tokenValue } from '../domains/iam/token.ts'
import { Rejection } from '../domains/kernel/rejection.ts'
import type { MemberNode } from './node.ts'
import { readOrCreate } from './secrets.ts'

const WAIT_MS = 60_000
const SAY_MS = 15_000
const POLL_MS = 50

/** How long the first administrator, which takes a leader, is waited for. */
export interface Patience {
  readonly waitMilliseconds: number
  /** Told every so often what is waited for. */
  readonly say: (line: string) => void
  readonly sayMilliseconds?: number
  /** Ends the wait. */
  readonly signal: AbortSignal
}

const bounded: Patience = {
  waitMilliseconds: WAIT_MS,
  say: () => undefined,
  signal: new AbortController().signal,
}

/**
 * Makes the first administrator where there is none yet, and puts its token into a file of mode 0600. Every member does this, whoever leads.
 * Returns true when this call made the administrator. Rejects with TIMEOUT when the members find no leader in time, and with the signal's
 * reason.
 */
export async function bootstrap(
  node: MemberNode,
  tokenFile: string,
  { waitMilliseconds, say, sayMilliseconds = SAY_MS, signal }: Patience = bounded,
): Promise<boolean> {
  const started = performance.now()
  let said = started
  let made = false
  const users = node.platform.engine.state.resource(iam, 'user')
  while (users.size === 0 || isReplaying(node)) {
    if (node.platform.leading) made = await tryBootstrap(node)
    if (made) break
    signal.throwIfAborted()
    const now = performance.now()
    if (now - started > waitMilliseconds) {
      const seconds = waitMilliseconds / 1000
      throw new Rejection('TIMEOUT', `no leader was found in ${seconds} s: ${whatIsMissing(node)}`)
    }
    if (now - said > sayMilliseconds) {
      said = now
      say(`no leader is found yet, and this member goes on waiting: ${whatIsMissing(node)}`)
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

/** Who is alone leads as soon as all of its log is applied: only then does it answer everything. */
function isReplaying({ log, platform }: MemberNode): boolean {
  return !platform.leading && log.status().members.length === 1
}

function whatIsMissing({ log }: MemberNode): string {
  const { waitsFor } = log.status()
  return waitsFor === ''
    ? 'are a majority of the members running, and can they reach each other?'
    : `it ${waitsFor}`
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
