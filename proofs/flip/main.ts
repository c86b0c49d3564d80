/** `npm run proof -- flip`: see `--help`. */
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { proveFlips } from './prove.ts'

const NUMBER_MAX = 0x7fff_ffff

const usage = new Usage(`npm run proof -- flip [--offsets N | --all [--every-sqlite-byte N]] [--seed N]

Flips bytes of a member's data directory, one at a time: N sampled ones (500), one in each kind of file at least, or with --all every one
(of SQLite's files every Nth). Each must be harmless, repaired or refused. Writes work/flip/latest/result.json; exits 1 when one was
silently wrong.`)
const values = usage.parse({
  offsets: { type: 'string', default: '500' },
  all: { type: 'boolean', default: false },
  'every-sqlite-byte': { type: 'string', default: '1' },
  seed: { type: 'string', default: '1' },
})
const offsets = usage.whole('offsets', values.offsets, 1, NUMBER_MAX)
const seed = usage.whole('seed', values.seed, 1, NUMBER_MAX)
const everySqliteByte = usage.whole('every-sqlite-byte', values['every-sqlite-byte'], 1, NUMBER_MAX)
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
