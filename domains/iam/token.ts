import { createHmac, timingSafeEqual } from 'node:crypto'
import type { Actor, Resources } from '../kernel/domain.ts'
import type { Code } from '../kernel/rejection.ts'
import { principalOf } from './authorize.ts'
import contract from './contract.ts'

const VALUE = /^uct_([0-9a-f-]{36})_([A-Za-z0-9_-]{43})$/
const MASTER_KEY_BYTES_MIN = 32

/** A token’s value: `uct_`, its uid, `_`, and the base64url of HMAC-SHA-256 (RFC 2104) over the uid. Throws RangeError for a master key below 32 bytes. */
export function tokenValue(masterKey: Uint8Array, uid: string): string {
  return `uct_${uid}_${signature(masterKey, uid).toString('base64url')}`
}

function signature(masterKey: Uint8Array, uid: string): Buffer {
  if (masterKey.length < MASTER_KEY_BYTES_MIN)
    throw new RangeError(`the master key has ${masterKey.length} bytes; ${MASTER_KEY_BYTES_MIN} are needed`)
  return createHmac('sha256', masterKey).update(uid).digest()
}

/** The result of a command with the value of the token that it issued, if it did: for the edge that answers. */
export function withTokenValue(
  masterKey: Uint8Array,
  command: string,
  result: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const [domain, name = ''] = command.split('.', 2)
  const fields = domain === contract.name ? contract.commands[name as 'IssueToken']?.result.fields : undefined
  if (fields === undefined || !('tokenValue' in fields)) return result
  return { ...result, tokenValue: tokenValue(masterKey, String(result['token'])) }
}

export interface Unauthenticated {
  readonly code: Extract<Code, 'UNAUTHENTICATED'>
  readonly message: string
}

/**
 * Who a token’s value stands for. The signature is compared in constant time, and before anything is looked up. `now` is in
 * milliseconds since 1970.
 */
export function authenticate(
  resources: Resources,
  masterKey: Uint8Array,
  value: string,
  now: number,
): { readonly actor: Actor } | Unauthenticated {
  const [, uid = '', signed = ''] = VALUE.exec(value) ?? []
  const given = Buffer.from(signed, 'base64url')
  const right = signature(masterKey, uid)
  if (given.length !== right.length || !timingSafeEqual(given, right))
    return refuse('the token is not one that this cloud has issued')
  const token = resources.resource(contract, 'token').get(uid)
  if (token === undefined) return refuse('the token does not exist any more')
  if (token.revoked) return refuse('the token is revoked')
  if (token.expiresAt !== null && token.expiresAt <= now)
    return refuse(`the token has expired at ${new Date(token.expiresAt).toISOString()}`)
  const principal = token.user ?? token.serviceAccount ?? ''
  const row = principalOf(resources, principal)
  if (row === undefined) return refuse('the token’s principal does not exist any more')
  if (row.suspended) return refuse(`${row.name} is suspended`)
  return { actor: { principal, kind: token.user === null ? 'service_account' : 'user' } }
}

function refuse(message: string): Unauthenticated {
  return { code: 'UNAUTHENTICATED', message }
}
