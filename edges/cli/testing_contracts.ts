import { readdir } from 'node:fs/promises'
import type { Contract } from '../../domains/kernel/contract.ts'
import { Registry } from '../../domains/kernel/registry.ts'

/** Every contract there is, without its decisions: all that flags, help and completion are derived from. */
export async function contractRegistry(): Promise<Registry> {
  const domains = new URL('../../domains/', import.meta.url)
  const folders = (await readdir(domains, { withFileTypes: true })).filter(
    (entry) => entry.isDirectory() && entry.name !== 'kernel',
  )
  const contracts = await Promise.all(
    folders.map(async ({ name }) => {
      const module = (await import(new URL(`${name}/contract.ts`, domains).href)) as { default: Contract }
      return module.default
    }),
  )
  return new Registry(
    contracts.map((contract) => ({
      contract,
      state: { contract, resources: {}, tables: {} },
      decide: {},
      evolve: {},
      upcast: {},
      processes: [],
      authorize: undefined,
    })),
  )
}
