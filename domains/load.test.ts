import { readdir } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { loadDomains } from './load.ts'

it('takes every folder for a domain of that name', async () => {
  const registry = await loadDomains()
  const folders = (await readdir(new URL('.', import.meta.url), { withFileTypes: true })).filter((entry) =>
    entry.isDirectory(),
  )
  expect([...registry.all.keys()]).toEqual(
    folders
      .map(({ name }) => name)
      .filter((name) => name !== 'kernel')
      .sort(),
  )
  expect(registry.all.size).toBeGreaterThanOrEqual(6)
})
