/** `npm run proof -- durability`: see `--help`. */
import { writeResult } from '../result.ts'
import { Usage } from '../usage.ts'
import { proveDurability } from './prove.ts'

const usage = new Usage(`npm run proof -- durability [--cycles N]

Kills a member at N random moments (20) while clients write, then backs it up, wipes and restores it: no acknowledged command may be lost
or doubled. Writes work/durability/latest/result.json; exits 1 when one was.`)
const cycles = usage.whole(
  'cycles',
  usage.parse({ cycles: { type: 'string', default: '20' } }).cycles,
  1,
  1000,
)
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
