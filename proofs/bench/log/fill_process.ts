/**
 * A process that runs a member, has it decide so many puts, waits until everything made of them is on disk and ends: DIRECTORY CONFIG
 * COUNT. Every put has a key of its own.
 */
import kv from '../../../domains/kv/contract.ts'
import { loadDomains } from '../../../domains/load.ts'
import { putRequest } from '../../../edges/etcd/convert.ts'
import { decode } from '../../../edges/etcd/messages.ts'
import { readConfig } from '../../../main/config.ts'
import { type MemberNode, startMember } from '../../../main/node.ts'
import { until } from '../../failover/until.ts'
import { putMessage } from './keys.ts'

const LEADER_TIMEOUT_MS = 30_000
const PROJECTED_TIMEOUT_MS = 600_000
const UNDER_WAY = 1024
const ACTOR = { principal: 'process:etcd', kind: 'process' } as const

const [directory = '', configFile = '', count = ''] = process.argv.slice(2)

function fail(error: Error): never {
  throw error
}

async function fill({ platform, runner }: MemberNode): Promise<void> {
  await until('leadership', LEADER_TIMEOUT_MS, () => (platform.leading ? true : undefined))
  let next = 0
  const worker = async (): Promise<void> => {
    while (next < Number(count)) {
      const data = putRequest(decode('PutRequest', putMessage(next++)))
      await platform.submit({ type: `${kv.name}.Put`, data, actor: ACTOR, commandId: '' })
    }
  }
  await Promise.all(Array.from({ length: UNDER_WAY }, worker))
  await runner.whenProjected(platform.applied.revision, PROJECTED_TIMEOUT_MS)
}

const node = await startMember({
  directory,
  config: await readConfig(configFile),
  registry: await loadDomains(),
  onFatal: fail,
  warn: (line) => console.error(line),
})
await fill(node).finally(() => node.close())
