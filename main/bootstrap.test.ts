import { expect, test, vi } from 'vitest'
import { bootstrap } from './bootstrap.ts'
import type { MemberNode } from './node.ts'

/** A member of a cluster whose others are not there. */
const alone = {
  platform: { leading: false, engine: { state: { resource: () => new Map() } } },
  log: { status: () => ({ waitsFor: 'waits for b and c', members: [{}, {}, {}] }) },
} as unknown as MemberNode

test('a member without a leader goes on waiting, and says for what, until it is told to end', async () => {
  const ending = new AbortController()
  const said: string[] = []
  const patience = {
    waitMilliseconds: Number.POSITIVE_INFINITY,
    sayMilliseconds: 1,
    say: (line: string) => said.push(line),
    signal: ending.signal,
  }
  const waiting = bootstrap(alone, '/nowhere', patience)
  await vi.waitFor(() => expect(said.length).toBeGreaterThan(1), { timeout: 10_000 })
  expect(said[0]).toBe('no leader is found yet, and this member goes on waiting: it waits for b and c')
  ending.abort(new Error('told to end'))
  await expect(waiting).rejects.toThrow('told to end')
})

test('a supervised one gives up in time', async () => {
  const signal = new AbortController().signal
  const patience = { waitMilliseconds: 10, say: () => undefined, signal }
  await expect(bootstrap(alone, '/nowhere', patience)).rejects.toMatchObject({
    code: 'TIMEOUT',
    message: 'no leader was found in 0.01 s: it waits for b and c',
  })
})

test('a member alone is waited for until it leads: only then does it answer everything', async () => {
  const platform = {
    leading: false,
    engine: { state: { resource: () => new Map([['uid', { user: null }]]) } },
  }
  const lone = { platform, log: { status: () => ({ waitsFor: '', members: [{}] }) } } as unknown as MemberNode
  const ending = new AbortController()
  const patience = { waitMilliseconds: 10, say: () => undefined, signal: ending.signal }
  await expect(bootstrap(lone, '/nowhere', patience)).rejects.toMatchObject({ code: 'TIMEOUT' })
  platform.leading = true
  expect(await bootstrap(lone, '/nowhere', patience)).toBe(false)
})
