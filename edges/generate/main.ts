import { execFile } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import {
  contractRegistry,
  derivedOpenApi,
  derivedProtos,
  OPENAPI_FILE,
  PROTO_DIRECTORY,
} from './derived_files.ts'

/** Writes what is derived from the contracts into the repository: run it after changing one. */
const root = new URL('../../', import.meta.url)
const registry = await contractRegistry()
for (const [path, text] of derivedProtos(registry)) {
  const file = fileURLToPath(new URL(`${PROTO_DIRECTORY}/${path}`, root))
  await mkdir(dirname(file), { recursive: true })
  await writeFile(file, text)
}
const openapi = fileURLToPath(new URL(OPENAPI_FILE, root))
await writeFile(openapi, JSON.stringify(derivedOpenApi(registry), null, 2))
const biome = fileURLToPath(new URL('node_modules/.bin/biome', root))
await promisify(execFile)(biome, ['format', '--write', openapi], { cwd: fileURLToPath(root) })
