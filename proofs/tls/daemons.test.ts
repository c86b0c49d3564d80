import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, it, onTestFinished, vi } from 'vitest'
import { loadDomains } from '../../domains/load.ts'
import type { NodeConfig } from '../../main/config.ts'
import { type RunningNode, up } from '../../main/up.ts'
import { Papers } from './papers.ts'

const free = '127.0.0.1:0'
const listen = { grpc: free, rest: free, peer: free, etcd: free, dns: free }

async function start(
  config: NodeConfig,
): Promise<{ readonly node: RunningNode; readonly lines: readonly string[] }> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-tls-daemons-'))
  const lines: string[] = []
  const options = {
    directory,
    config,
    roles: ['member', 'dns'] as const,
    registry: await loadDomains(),
    leaderMilliseconds: 60_000,
    signal: new AbortController().signal,
    say: (line: string) => lines.push(line),
    onFatal: (error: Error) => lines.push(error.message),
  }
  const node = await up(options).catch(async (error: unknown) => {
    await rm(directory, { recursive: true, force: true })
    throw error
  })
  onTestFinished(async () => {
    await node.close()
    await rm(directory, { recursive: true, force: true })
  })
  return { node, lines }
}

it('the daemons of a node with certificates follow it over TLS', async () => {
  const papers = await Papers.make('one')
  onTestFinished(() => papers.remove())
  const { caFile, own } = await papers.member(1)
  const { node, lines } = await start({ listen, tls: { caFile, ...own } })
  expect(node.facts.tls).toBe(true)
  expect(node.facts.dns).toMatch(/^127\.0\.0\.1:\d+$/)
  await vi.waitFor(() => expect(node.member.log.status().role).toBe('leader'))
  expect(lines.filter((line) => /interrupted|do not get through|refused/.test(line))).toEqual([])
})

it('the daemons of a node without certificates speak plaintext, whatever the environment says', async () => {
  vi.stubEnv('ULTRACLOUD_CA', '/nowhere/ca.crt')
  onTestFinished(() => void vi.unstubAllEnvs())
  const { node } = await start({ listen })
  expect(node.facts.tls).toBe(false)
  expect(node.facts.dns).toMatch(/^127\.0\.0\.1:\d+$/)
})
