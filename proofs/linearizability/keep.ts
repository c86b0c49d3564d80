import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { resultFolder } from '../result.ts'
import type { PhaseRecord } from './phase.ts'

/** Writes down what clients and watchers were told, for a violation to be explained by. Resolves to the file's path. */
export async function keepRecord({ history, watchers, ...rest }: PhaseRecord): Promise<string> {
  const folder = resultFolder('linearizability')
  const path = join(folder, 'history.json')
  const { operations, looks } = history
  const told = watchers.map(({ spec, items }) => ({ spec, items }))
  await mkdir(folder, { recursive: true })
  await writeFile(path, JSON.stringify({ ...rest, operations, looks, watchers: told }))
  return path
}
