/** `npm run proof -- flip [--offsets N | --all [--every-sqlite-byte N]] [--seed N]`: bytes of a member's data directory are flipped, one at a time. */
import { parseArgs } from 'node:util'
import { writeResult } from '../result.ts'
import { proveFlips } from './prove.ts'

const { values } = parseArgs({
  options: {
    offsets: { type: 'string', default: '500' },
    all: { type: 'boolean', default: false },
    'every-sqlite-byte': { type: 'string', default: '1' },
    seed: { type: 'string', default: '1' },
  },
})
const [offsets, seed] = [Number(values.offsets), Number(values.seed)]
const everySqliteByte = Number(values['every-sqlite-byte'])
if (![offsets, seed, everySqliteByte].every((number) => Number.isSafeInteger(number) && number > 0))
  throw new RangeError('--offsets, --seed and --every-sqlite-byte take positive whole numbers')
const figures = await proveFlips({
  offsets: values.all ? { everySqliteByte } : offsets,
  seed,
  say: (line) => console.log(line),
})
const success = figures.failures.length === 0
const path = await writeResult('flip', { success, seed, ...figures })
for (const { path: file, offset, mask, text } of figures.failures)
  console.error(`silently wrong: ${file} at ${offset}, xored with ${mask}: ${text}`)
const { harmless, repaired, refused } = figures.outcomes
console.log(
  `flip: ${figures.flips} bytes of ${figures.files} files: ${harmless} harmless, ${repaired} repaired, ${refused} refused, ${figures.failures.length} silently wrong, ${figures.cpu_seconds} s of CPU\n${path}`,
)
process.exitCode = success ? 0 : 1
