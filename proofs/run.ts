/** `npm run proof -- NAME [ARGUMENT…]`: runs `proofs/NAME/main.ts`. */
import { glob } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { dispatch, type Program } from './dispatch.ts'

const programs: Program[] = []
for await (const path of glob('*/main.ts', { cwd: import.meta.dirname })) {
  programs.push({ name: dirname(path), file: join(import.meta.dirname, path) })
}
programs.sort((a, b) => a.name.localeCompare(b.name))
process.exitCode = await dispatch('proof', programs, process.argv.slice(2))
