import { spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { formatDirectory } from '../../log/storage/format.ts'
import { LogStore } from '../../log/storage/store.ts'
import { Random } from '../sim/random.ts'
import { ChangeModel, shownBy } from './change_model.ts'

export const killIdentity = { clusterId: 'kills', memberId: 1 }
/** Large, so that the write-ahead files change often. */
export const PAYLOAD_BYTES_MAX = 60_000
const BLOCK_ENTRIES = 64
/** After so many kills the log begins anew: all of it is read after each. */
const KILLS_PER_LOG = 10
const ACKNOWLEDGED_MAX = 120
const TIMEOUT_MS = 60_000

export interface KillFigures {
  readonly kills: number
  readonly acknowledged: number
  /** Kills that came while changes were queued and not acknowledged. */
  readonly kills_while_writing: number
  readonly failures: readonly string[]
}

/**
 * Starts a process that appends to a real store, kills it with SIGKILL at random, opens what is left, and compares: it must show
 * what it showed after some change between the last acknowledged and the last queued one.
 */
export async function proveKills(kills: number, seed: number, base: string = tmpdir()): Promise<KillFigures> {
  const random = new Random(seed)
  const failures: string[] = []
  let [acknowledged, whileWriting, killed] = [0, 0, 0]
  while (killed < kills && failures.length === 0) {
    const folder = await mkdtemp(join(base, 'ultracloud-kills-'))
    const directory = join(folder, 'data')
    try {
      const format = { standing: 'founding', blockEntries: BLOCK_ENTRIES } as const
      await formatDirectory(directory, killIdentity, format)
      for (let count = 0; count < KILLS_PER_LOG && killed < kills && failures.length === 0; count += 1) {
        const changes = random.between(1, 1e9)
        const model = await modelOf(directory, changes)
        const progress = await killWriter(directory, changes, random.between(1, ACKNOWLEDGED_MAX))
        killed += 1
        acknowledged += progress.acknowledged
        if (progress.queued > progress.acknowledged) whileWriting += 1
        const problem = await compare(directory, model, progress)
        if (problem !== undefined) failures.push(`kill ${killed}: ${problem}`)
      }
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  }
  return { kills: killed, acknowledged, kills_while_writing: whileWriting, failures }
}

interface Progress {
  readonly queued: number
  readonly acknowledged: number
}

/** What the writer will do, as it makes it for itself. */
async function modelOf(directory: string, seed: number): Promise<ChangeModel> {
  return withStore(directory, (store) => ChangeModel.of(store, new Random(seed), PAYLOAD_BYTES_MAX))
}

async function withStore<T>(directory: string, action: (store: LogStore) => T): Promise<T> {
  const store = await LogStore.open(directory, killIdentity, () => undefined)
  try {
    return action(store)
  } finally {
    await store.close()
  }
}

/** Rejects when the writer ends by itself, or does not get on. */
async function killWriter(directory: string, seed: number, acknowledgedMin: number): Promise<Progress> {
  const script = join(import.meta.dirname, 'writer.ts')
  const child = spawn(process.execPath, [script, directory, String(seed)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  const killing = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
  child.stdout.setEncoding('utf8')
  child.stdout.on('data', (part: string) => {
    text += part
    if (count(text, 'acknowledged') >= acknowledgedMin) child.kill('SIGKILL')
  })
  const signal = await new Promise((resolve) => child.once('close', (_, by) => resolve(by)))
  clearTimeout(killing)
  const progress = { queued: count(text, 'queued'), acknowledged: count(text, 'acknowledged') }
  if (signal !== 'SIGKILL')
    throw new Error(`the writer ended by itself after ${progress.acknowledged} changes`)
  if (progress.acknowledged < acknowledgedMin)
    throw new Error(`the writer did not acknowledge ${acknowledgedMin} changes in ${TIMEOUT_MS} ms`)
  return progress
}

/** How often the writer said that, in whole lines. */
function count(text: string, word: string): number {
  return text
    .split('\n')
    .slice(0, -1)
    .filter((line) => line.startsWith(word)).length
}

async function compare(
  directory: string,
  model: ChangeModel,
  { queued, acknowledged }: Progress,
): Promise<string | undefined> {
  for (let change = 0; change < queued; change += 1) {
    model.next()
    // The writer commits between its batches, which decides what it may replace.
    if (change % 3 === 2 && change + 1 < queued) model.commit(model.lastIndex)
  }
  let shown: string
  try {
    shown = await withStore(directory, shownBy)
  } catch (error) {
    return String(error)
  }
  const expected = model.states.slice(acknowledged, queued + 1)
  return expected.includes(shown) ? undefined : `${shown} instead of ${expected.join(' or ')}`
}
