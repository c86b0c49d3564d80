import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'

const ROOT = dirname(dirname(import.meta.dirname))
const CONFIGURATION = [
  'package.json',
  'tsconfig.json',
  'biome.json',
  'knip.json',
  '.oxlintrc.json',
  '.dependency-cruiser.mjs',
  '.gitignore',
]

/** A small tree in a temporary folder, with this repository's configuration and tools; disposing removes it. */
export interface PlantedTree extends AsyncDisposable {
  root: string
}

/** Makes a tree of `files` (text by path), in a git work tree of its own. */
export async function plantTree(files: Readonly<Record<string, string>>): Promise<PlantedTree> {
  const root = await mkdtemp(join(tmpdir(), 'ultracloud-check-'))
  for (const name of CONFIGURATION) await cp(join(ROOT, name), join(root, name))
  await symlink(join(ROOT, 'node_modules'), join(root, 'node_modules'))
  await promisify(execFile)('git', ['init', '--quiet', root])
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) }
}
