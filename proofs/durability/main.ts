/** `npm run proof -- durability [--cycles N]`: a member is killed at random moments while clients write, then backed up, wiped and restored. */
import { parseArgs } from 'node:util'
import { writeResult } from '../result.ts'
import { proveDurability } from './prove.ts'

const { values } = parseArgs({ options: { cycles: { type: 'string', default: '20' } } })
const cycles = Number(values.cycles)
if (!Number.isInteger(cycles) || cycles < 1 || cycles > 1000)
  throw new RangeError(`--cycles takes a number from 1 to 1000, not ${values.cycles}`)
try {
  const figures = await proveDurability(cycles, (line) => console.log(line))
  const path = await writeResult('durability', { success: true, cycles, ...figures })
  console.log(
    `durability: ${figures.commands_acknowledged} commands through ${figures.kills} kills and a restore, none lost, none doubled\n${path}`,
  )
} catch (error) {
  const message = error instanceof Error ? error.message : String(error)
  await writeResult('durability', { success: false, cycles, error: message })
  console.error(`error: ${message}`)
  process.exitCode = 1
}
