/** `npm run lines`: the lines of code, comments and tests of every folder, as a Markdown table. */
import { dirname } from 'node:path'
import { readRepository } from '../proofs/surface/guard.ts'
import { countLines } from './lines/count.ts'
import { formatTable } from './lines/table.ts'

const { files } = await readRepository(dirname(import.meta.dirname))
console.log(formatTable(countLines(files)))
