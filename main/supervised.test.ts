import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Supervised } from './supervisor.ts'

let directory: string
let lines: string[]
let supervised: Supervised | undefined
/** What the programs below leave behind, to be ended. */
const strays: number[] = []

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-supervisor-'))
  lines = []
})

afterEach(async () => {
  await supervised?.stop(100)
  for (const pid of strays.splice(0)) process.kill(pid, 'SIGKILL')
  await rm(directory, { recursive: true })
})

async function supervise(program: string): Promise<Supervised> {
  const file = join(directory, 'program.mjs')
  await writeFile(file, program)
  supervised = new Supervised({ name: 'it', arguments: [file, directory], log: (line) => lines.push(line) })
  return supervised
}

describe('a supervised process', () => {
  it('is started again when it ends, later each time', async () => {
    await supervise(`console.error('I end'); process.exit(3)`)
    await vi.waitFor(() => expect(lines.filter((line) => line.includes('ended with 3'))).toHaveLength(3), {
      timeout: 15_000,
    })
    const delays = lines.flatMap((line) => /again in (\d+) ms/.exec(line)?.[1] ?? [])
    expect(delays.slice(0, 3)).toEqual(['200', '400', '800'])
    expect(lines).toContain('it: I end')
  })

  it('that was never ready is given up after five starts, with what it said last', async () => {
    const one = await supervise(`console.error('error: I can not'); process.exit(1)`)
    await expect(one.ready).rejects.toThrow('what has the role it does not start: I can not')
    expect(lines.filter((line) => line.includes('it is started again'))).toHaveLength(4)
    expect(one.pid).toBeUndefined()
  })

  it('stays ended when it is stopped while it waits to be started again', async () => {
    const one = await supervise(`process.exit(0)`)
    await vi.waitFor(() => expect(lines).toHaveLength(1), { timeout: 10_000 })
    await one.stop(1000)
    await new Promise((resolve) => setTimeout(resolve, 500))
    expect(lines).toHaveLength(1)
    expect(one.pid).toBeUndefined()
  })

  it('is killed when it does not end by itself', async () => {
    const one = await supervise(
      `process.on('SIGTERM', () => {}); console.log('ready yes'); setInterval(() => {}, 1000)`,
    )
    expect(await one.ready).toBe('yes')
    const { pid } = one
    await one.stop(50)
    expect(() => process.kill(pid as number, 0)).toThrow(/ESRCH/)
  })

  it('that is stopped before it was ready says so to whoever waits', async () => {
    const one = await supervise(`setInterval(() => {}, 1000)`)
    const waiting = expect(one.ready).rejects.toThrow(/stopped before it was ready/)
    await one.stop(1000)
    await waiting
  })

  it('is started again, and stopped, though a process it has left behind holds its output', async () => {
    const one = await supervise(`
      import { spawn } from 'node:child_process'
      import { appendFileSync } from 'node:fs'
      import { join } from 'node:path'
      const stray = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: ['ignore', 'inherit', 'inherit'], detached: true })
      appendFileSync(join(process.argv[2], 'strays'), stray.pid + '\\n')
      stray.unref()
      process.exit(1)`)
    const strayPids = async (): Promise<readonly number[]> =>
      (await readFile(join(directory, 'strays'), 'utf8').catch(() => '')).trim().split('\n').map(Number)
    try {
      await vi.waitFor(async () => expect(await strayPids()).toHaveLength(2), { timeout: 10_000 })
      await one.stop(1000)
    } finally {
      strays.push(...(await strayPids()).filter((pid) => pid > 0))
    }
  })
})
