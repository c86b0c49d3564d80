import { readdir } from 'node:fs/promises'
import type { Contract } from '../../domains/kernel/contract.ts'
import { Registry } from '../../domains/kernel/registry.ts'
import { printFile } from '../../domains/kernel/wire/print.ts'
import { Api } from '../grpc/api.ts'
import { openApi } from '../rest/openapi.ts'

/** Where the derived files are checked in, from the repository's root. */
export const PROTO_DIRECTORY = 'edges/grpc/proto'
export const OPENAPI_FILE = 'edges/rest/openapi.json'

/** The registry of every domain's contract alone: what is derived for clients depends on nothing else. */
export async function contractRegistry(): Promise<Registry> {
  const root = new URL('../../domains/', import.meta.url)
  const folders = await readdir(root, { withFileTypes: true })
  const names = folders.filter((each) => each.isDirectory() && each.name !== 'kernel').map(({ name }) => name)
  const domains = await Promise.all(
    names.sort().map(async (name) => {
      const module = (await import(new URL(`${name}/contract.ts`, root).href)) as { default: Contract }
      const contract = module.default
      const state = { contract, resources: {}, tables: {} }
      return { contract, state, decide: {}, evolve: {}, upcast: {}, processes: [], authorize: undefined }
    }),
  )
  return new Registry(domains)
}

/** The text of each .proto file by its path below `PROTO_DIRECTORY`. */
export function derivedProtos(registry: Registry): ReadonlyMap<string, string> {
  return new Map(new Api(registry).files.map((file) => [file.path, printFile(file)]))
}

/** The OpenAPI description as it is served and checked in. */
export function derivedOpenApi(registry: Registry): unknown {
  return openApi(registry)
}
