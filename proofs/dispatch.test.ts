import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import { dispatch } from './dispatch.ts'

/** Dispatches to one program named `planted` with this source. */
async function dispatchTo(source: string, args: readonly string[]): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'ultracloud-dispatch-'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  const file = join(folder, 'planted.mjs')
  await writeFile(file, source)
  return dispatch('proof', [{ name: 'planted', file }], args)
}

test('exit codes pass through, and so do the arguments', async () => {
  expect(await dispatchTo('process.exitCode = 0', ['planted'])).toBe(0)
  expect(await dispatchTo('process.exitCode = Number(process.argv[2])', ['planted', '42'])).toBe(42)
})

test('a program that a signal ended has the exit code of a shell', async () => {
  expect(await dispatchTo("process.kill(process.pid, 'SIGKILL')", ['planted'])).toBe(137)
})

test.each([[[]], [['unknown']]])('without a known name (%j) the names are listed', async (args) => {
  const print = vi.spyOn(console, 'error').mockImplementation(() => {})
  onTestFinished(() => print.mockRestore())
  expect(await dispatchTo('', args)).toBe(2)
  expect(print).toHaveBeenLastCalledWith('names: planted')
})

test.each(['run.ts', 'bench/run.ts'])('%s without a name lists what there is', async (script) => {
  const file = join(import.meta.dirname, script)
  const ended = await new Promise<{ code: unknown; stderr: string }>((resolve) => {
    execFile(process.execPath, [file], (error, _stdout, stderr) => resolve({ code: error?.code, stderr }))
  })
  expect(ended.code).toBe(2)
  expect(ended.stderr).toMatch(/^names: /m)
  expect(ended.stderr).not.toMatch(/^names: .*\brun\b/m)
})

const programs = [
  ...['crash', 'durability', 'failover', 'flip', 'linearizability', 'sim', 'surface'].map(
    (name) => ['run.ts', 'proof', name] as const,
  ),
  ...['commands', 'log', 'rebuild'].map((name) => ['bench/run.ts', 'bench', name] as const),
]

test.each(programs)(
  '%s: %s %s says what it takes, and what it does not',
  async (script, kind, name) => {
    const call = (option: string) =>
      new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
        execFile(
          process.execPath,
          [join(import.meta.dirname, script), name, option],
          (error, stdout, stderr) => resolve({ code: error?.code ?? 0, stdout, stderr }),
        )
      })
    const said = `npm run ${kind} -- ${name}`
    const [helped, refused] = await Promise.all([call('--help'), call('--nonsense')])
    expect(helped).toMatchObject({ code: 0, stderr: '', stdout: expect.stringContaining(said) })
    expect(refused).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(said) })
    expect(refused.stderr).toMatch(/^error: Unknown option '--nonsense'/)
    expect(refused.stderr).not.toContain('    at ')
  },
  60_000,
)

test.each([
  ['flip', '--seed', '0', '--seed takes a whole number from 1 to 2147483647, not 0'],
  ['linearizability', '--members', '2', '--members takes 1, 3, 5, not 2'],
  ['linearizability', '--faults', 'kill,flood', '--faults takes kill, pause, links, disk, not flood'],
])(
  '%s %s %s is refused before anything is done',
  async (name, option, value, message) => {
    const file = join(import.meta.dirname, 'run.ts')
    const ended = await new Promise<{ code: unknown; stdout: string; stderr: string }>((resolve) => {
      execFile(process.execPath, [file, name, option, value], (error, stdout, stderr) =>
        resolve({ code: error?.code, stdout, stderr }),
      )
    })
    expect(ended).toMatchObject({ code: 2, stdout: '', stderr: expect.stringContaining(`error: ${message}`) })
  },
  60_000,
)

test('every program in the list of benchmarks is one', async () => {
  const { stderr } = await new Promise<{ stderr: string }>((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, 'bench', 'run.ts')], (_error, _stdout, stderr) =>
      resolve({ stderr }),
    )
  })
  expect(stderr).toMatch(/^names: commands, log, rebuild$/m)
})

test('a proof is found by the name of its folder', async () => {
  const ended = await new Promise<string>((resolve) => {
    execFile(process.execPath, [join(import.meta.dirname, 'run.ts')], (_error, _stdout, stderr) =>
      resolve(stderr),
    )
  })
  expect(ended).toMatch(/^names: .*\bsurface\b/m)
})
