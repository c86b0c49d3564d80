import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'

/** What a proof or a benchmark leaves behind: whether it held, and every figure, each with its unit in its name. */
export interface Result {
  success: boolean
  [figure: string]: unknown
}

/** The folder for the artifacts of the latest run of the proof or benchmark `name`: `work/<name>/latest` in the clone. */
export function resultFolder(name: string): string {
  return join(dirname(import.meta.dirname), 'work', name, 'latest')
}

/**
 * Writes `work/<name>/latest/result.json` and resolves to its path. A reader sees the previous result or this one, never
 * a part; of two runs at once the later one stays.
 */
export async function writeResult(name: string, result: Result): Promise<string> {
  const folder = resultFolder(name)
  const path = join(folder, 'result.json')
  const partial = `${path}.${process.pid}.partial`
  await mkdir(folder, { recursive: true })
  await writeFile(partial, `${JSON.stringify(result, undefined, 2)}\n`)
  await rename(partial, path)
  return path
}
