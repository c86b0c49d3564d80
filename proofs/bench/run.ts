/** `npm run bench -- NAME [ARGUMENT…]`: runs `proofs/bench/NAME.ts`. What benchmarks share is in folders below. */
import { glob } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { dispatch, type Program } from '../dispatch.ts'

const programs: Program[] = []
for await (const path of glob('*.ts', { cwd: import.meta.dirname })) {
  if (path === 'run.ts' || path.endsWith('.test.ts')) continue
  programs.push({ name: basename(path, '.ts'), file: join(import.meta.dirname, path) })
}
programs.sort((a, b) => a.name.localeCompare(b.name))
process.exitCode = await dispatch('bench', programs, process.argv.slice(2))
