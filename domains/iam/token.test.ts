import { describe, expect, it } from 'vitest'
import type { Scenario } from '../kernel/testing.ts'
import { bootstrapped } from '../testing.ts'
import contract from './contract.ts'
import { authenticate, tokenValue, withTokenValue } from './token.ts'

const masterKey = new Uint8Array(32).fill(7)

function issued(): { scenario: Scenario; token: string; value: string; user: string } {
  const scenario = bootstrapped()
  const { uid: user } = scenario.run(contract, 'CreateUser', { name: 'ann' })
  const { token } = scenario.run(contract, 'IssueToken', { user: 'ann', expiresAt: scenario.now + 1000 })
  return { scenario, token, value: tokenValue(masterKey, token), user }
}

describe('a token’s value', () => {
  it('stands for its principal until it expires', () => {
    const { scenario, value, user } = issued()
    const read = (now: number) => authenticate(scenario.state, masterKey, value, now)
    expect(read(scenario.now + 999)).toEqual({ actor: { principal: user, kind: 'user' } })
    expect(read(scenario.now + 1000)).toMatchObject({
      code: 'UNAUTHENTICATED',
      message: expect.stringContaining('expired') as string,
    })
  })

  it('is the same whenever it is computed, and another under another key', () => {
    const { scenario, token, value } = issued()
    expect(tokenValue(masterKey, token)).toBe(value)
    expect(value).toMatch(/^uct_[0-9a-f-]{36}_[A-Za-z0-9_-]{43}$/)
    const other = new Uint8Array(32).fill(8)
    expect(authenticate(scenario.state, other, value, scenario.now)).toMatchObject({
      code: 'UNAUTHENTICATED',
    })
    expect(() => tokenValue(new Uint8Array(31), token)).toThrow(RangeError)
  })

  it('is worth nothing when forged, cut or changed', () => {
    const { scenario, token, value } = issued()
    const last = value.endsWith('A') ? 'B' : 'A'
    const forged = [
      '',
      'uct_',
      value.slice(0, -1),
      value.slice(0, 50) + last + value.slice(51),
      `uct_${token}_`,
      tokenValue(masterKey, '00000000-0000-7000-8000-000000000000'),
      `${value} `,
    ].filter((text) => text !== value)
    for (const text of forged)
      expect(authenticate(scenario.state, masterKey, text, scenario.now), text).toMatchObject({
        code: 'UNAUTHENTICATED',
      })
  })

  it('is worth nothing once it is revoked, or its principal is suspended or gone', () => {
    for (const [command, request, why] of [
      ['RevokeToken', undefined, /revoked/],
      ['SuspendUser', { name: 'ann' }, /ann is suspended/],
      ['DeleteUser', { name: 'ann' }, /does not exist any more/],
    ] as const) {
      const { scenario, token, value } = issued()
      scenario.run(contract, command, request ?? { token })
      expect(authenticate(scenario.state, masterKey, value, scenario.now)).toMatchObject({
        code: 'UNAUTHENTICATED',
        message: expect.stringMatching(why) as string,
      })
    }
  })

  it('is told to the one who had it issued, and to nobody else', () => {
    const { token, value } = issued()
    expect(withTokenValue(masterKey, 'iam.IssueToken', { token })).toEqual({ token, tokenValue: value })
    expect(withTokenValue(masterKey, 'iam.Bootstrap', { token, user: 'x' })).toMatchObject({
      tokenValue: value,
    })
    expect(withTokenValue(masterKey, 'iam.RevokeToken', { uid: token })).toEqual({ uid: token })
    expect(withTokenValue(masterKey, 'vm.CreateInstance', { uid: token })).toEqual({ uid: token })
  })
})
