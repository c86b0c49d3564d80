import { readdir } from 'node:fs/promises'
import type { Domain } from './kernel/domain.ts'
import { Registry } from './kernel/registry.ts'

/** Every folder here but the kernel's is a domain: adding one is adding a folder. Throws TypeError where name and folder differ. */
export async function loadDomains(): Promise<Registry> {
  const folders = await readdir(new URL('.', import.meta.url), { withFileTypes: true })
  const names = folders
    .filter((entry) => entry.isDirectory() && entry.name !== 'kernel')
    .map((entry) => entry.name)
  const domains = await Promise.all(
    names.sort().map(async (name) => {
      const module = (await import(new URL(`${name}/index.ts`, import.meta.url).href)) as { default: Domain }
      if (module.default.contract.name !== name)
        throw new TypeError(`domains/${name} names itself ${module.default.contract.name}`)
      return module.default
    }),
  )
  return new Registry(domains)
}
