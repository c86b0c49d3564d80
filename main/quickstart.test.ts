import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, readlink, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { testImageDirectory } from '../hostd/testing/guests.ts'
import { acquireQemuLock } from '../hostd/testing/qemu_lock.ts'

const program = fileURLToPath(new URL('quickstart.ts', import.meta.url))
const STEP_MS = 120_000

interface Run {
  readonly child: ChildProcess
  readonly ended: Promise<number | null>
  readonly output: () => string
}

/** A checkout's directory, as far as the quickstart writes into it. */
async function checkout(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-quickstart-'))
  onTestFinished(() => rm(directory, { recursive: true }))
  await mkdir(join(directory, 'work'))
  await mkdir(testImageDirectory, { recursive: true })
  await symlink(testImageDirectory, join(directory, 'work', 'images'))
  return directory
}

function start(directory: string, args: readonly string[] = [], env: NodeJS.ProcessEnv = {}): Run {
  const child = spawn(process.execPath, [program, ...args], {
    cwd: directory,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  let output = ''
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => {
      output += chunk.toString()
    })
  return { child, ended: new Promise((resolve) => child.once('close', resolve)), output: () => output }
}

function says({ output }: Run, text: string): Promise<void> {
  return vi.waitFor(() => expect(output()).toContain(text), { timeout: STEP_MS, interval: 20 })
}

/** What runs in a directory, or was told of it. */
async function processesOf(directory: string): Promise<readonly string[]> {
  const found: string[] = []
  for (const pid of await readdir('/proc')) {
    if (!/^\d+$/.test(pid)) continue
    const place = await readlink(`/proc/${pid}/cwd`).catch(() => '')
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (place.includes(directory) || line.includes(directory)) found.push(line.replaceAll('\0', ' '))
  }
  return found
}

/** Waits until both guests and the cloud's three daemons run; a guest may say so before the other one's hypervisor is there. */
function cloudRuns(directory: string): Promise<void> {
  return vi.waitFor(
    async () => {
      const during = await processesOf(directory)
      expect(during.filter((line) => line.startsWith('qemu-system'))).toHaveLength(2)
      expect(during.filter((line) => line.includes('--supervised'))).toHaveLength(3)
    },
    { timeout: STEP_MS, interval: 50 },
  )
}

/** Ctrl-C in a terminal: it comes from the terminal, and once more from npm. */
async function interrupt({ child, ended, output }: Run): Promise<void> {
  child.kill('SIGINT')
  child.kill('SIGINT')
  expect([await ended, output()]).toEqual([130, expect.stringContaining('ending what was started')])
}

describe('the quickstart, interrupted', { timeout: 2 * STEP_MS + 600_000 }, () => {
  it('while guests boot, leaves no process and no file', async () => {
    const lock = await acquireQemuLock()
    onTestFinished(() => lock.release())
    const directory = await checkout()
    const run = start(directory)
    await says(run, 'web-2 running')
    await cloudRuns(directory)
    await interrupt(run)
    expect(await processesOf(directory)).toEqual([])
    expect(await readdir(join(directory, 'work'))).toEqual(['images'])
  })

  it('by kill -9 while guests boot, leaves no process and no file either', async () => {
    const lock = await acquireQemuLock()
    onTestFinished(() => lock.release())
    const directory = await checkout()
    const run = start(directory)
    await says(run, 'web-2 running')
    await cloudRuns(directory)
    run.child.kill('SIGKILL')
    await run.ended
    await vi.waitFor(async () => expect(await processesOf(directory)).toEqual([]), {
      timeout: STEP_MS,
      interval: 100,
    })
    expect(await readdir(join(directory, 'work'))).toEqual(['images'])
  })

  it('while the cloud starts, leaves no process and no file', async () => {
    const directory = await checkout()
    const run = start(directory)
    await says(run, '.. start the cloud')
    await vi.waitFor(
      async () => expect(await processesOf(directory)).toContainEqual(expect.stringContaining(' up ')),
      {
        timeout: STEP_MS,
        interval: 20,
      },
    )
    await interrupt(run)
    expect(await processesOf(directory)).toEqual([])
    expect(await readdir(join(directory, 'work'))).toEqual(['images'])
  })
})

describe('the quickstart', () => {
  it('does not touch a data directory that holds something', async () => {
    const directory = await checkout()
    const data = join(directory, 'precious')
    await mkdir(data)
    await writeFile(join(data, 'file'), 'precious')
    const run = start(directory, ['--keep'], { ULTRACLOUD_DATA: data })
    expect([await run.ended, run.output()]).toEqual([1, expect.stringContaining('holds a cloud already')])
    expect(await readFile(join(data, 'file'), 'utf8')).toBe('precious')
    expect(await readdir(join(directory, 'work'))).toEqual(['images'])
  })

  it('knows one option', async () => {
    const run = start(await checkout(), ['--kep'])
    expect([await run.ended, run.output()]).toEqual([2, expect.stringContaining('--kep is no option')])
  })

  it('says which programs it needs that are missing, before it does anything', async () => {
    const directory = await checkout()
    const run = start(directory, [], { PATH: directory })
    expect([await run.ended, run.output()]).toEqual([
      1,
      expect.stringContaining('qemu-system-x86_64, cpio, curl, dig'),
    ])
    expect(await readdir(join(directory, 'work'))).toEqual(['images'])
  })
})
