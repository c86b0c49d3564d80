import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { isAlive, signalProcess } from '../hostd/kvm/process_identity.ts'
import { QemuDriver } from '../hostd/kvm/qemu.ts'
import { UserModeNetwork } from '../hostd/net/user_mode.ts'
import type { NodeFacts } from './up.ts'

const STOP_MS = 30_000
const POLL_MS = 50

/** What a node told of itself when it was up; undefined when there is no such node. */
export async function nodeFacts(directory: string): Promise<NodeFacts | undefined> {
  const text = await readFile(join(directory, 'node.json'), 'utf8').catch(() => undefined)
  return text === undefined ? undefined : (JSON.parse(text) as NodeFacts)
}

/** Tells the node of a data directory to end, and waits until it has. Returns false when none runs. Throws Error when it does not end. */
export async function stopNode(directory: string): Promise<boolean> {
  const facts = await nodeFacts(directory)
  if (facts === undefined || !(await signalProcess(facts.process, 'SIGTERM'))) return false
  const deadline = performance.now() + STOP_MS
  while (await isAlive(facts.process)) {
    if (performance.now() > deadline)
      throw new Error(`process ${facts.process.pid} has not ended within ${STOP_MS / 1000} s`)
    await sleep(POLL_MS)
  }
  return true
}

/** Ends every instance that a stopped host has left running, at once and without its consent. Returns how many there were. Throws Error while a host daemon runs there. */
export async function endIncarnations(hostDirectory: string): Promise<number> {
  if (!existsSync(hostDirectory)) return 0
  const driver = await QemuDriver.open({
    hostDirectory,
    acceleration: 'tcg',
    network: new UserModeNetwork(),
    findImage: () => Promise.reject(new Error('nothing is started here')),
  })
  const live = driver.list().filter(({ phase }) => phase !== 'exited')
  await Promise.all(live.map(({ specification }) => driver.kill(specification.incarnation)))
  await driver.close()
  return live.length
}
