/** `npm run proof -- surface`: see `--help`. */
import { dirname } from 'node:path'
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { findAll, formatFinding, readRepository } from './guard.ts'
import { guards } from './guards.ts'

const usage = new Usage(`npm run proof -- surface

Runs every guard over this repository, and writes work/surface/latest/result.json. Exits 1 when one finds something.`)
usage.parse({})
const repository = await readRepository(dirname(dirname(import.meta.dirname)))
const findings = findAll(guards, repository)
for (const finding of findings) console.log(formatFinding(finding))
console.log(
  `surface: ${guards.length} guards over ${repository.files.length} files, ${findings.length} findings`,
)

const success = findings.length === 0
await writeResult('surface', { success, guards: guards.length, files: repository.files.length, findings })
process.exitCode = success ? 0 : 1
