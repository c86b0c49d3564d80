import { type ChildProcess, spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished } from 'vitest'
import { grpcEdge } from '../testing/edge.ts'
import { TOKEN } from '../testing/fake_control_plane.ts'
import { until } from '../testing/until.ts'

const main = fileURLToPath(new URL('testing_main.ts', import.meta.url))

interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** The command line as a process, with nothing of this one's environment but where to find programs. */
function start(command: string, args: readonly string[], env: Readonly<Record<string, string>>) {
  const child: ChildProcess = spawn(command, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], ...env },
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = { stdout: '', stderr: '' }
  child.stdout?.on('data', (chunk: Buffer) => (output.stdout += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (output.stderr += chunk.toString()))
  const ended = new Promise<Ended>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, ...output }))
  })
  return { child, output, ended }
}

async function cloud(boxes: number) {
  const { address, client, control } = await grpcEdge()
  const maker = client()
  for (let index = 0; index < boxes; index++) {
    const data = { project: 'demo', name: `box-${index}`, rules: [], note: null, size: 1, sealed: false }
    await maker.command({ type: 'toy.CreateBox', data })
  }
  const env = { ULTRACLOUD_SERVER: address, ULTRACLOUD_TOKEN: TOKEN, ULTRACLOUD_PROJECT: 'demo' }
  const run = (args: readonly string[], more = {}) =>
    start(process.execPath, [main, ...args], { ...env, ...more })
  return { control, env, run }
}

describe('the process', () => {
  it('answers on stdout, complains on stderr, and ends with what it means', async () => {
    const { run } = await cloud(1)
    const [good, rejected, usage, unreachable] = await Promise.all([
      run(['get', 'box', 'box-0', '-o', 'json']).ended,
      run(['get', 'box', 'box-9']).ended,
      run(['get', 'boxs']).ended,
      run(['status'], { ULTRACLOUD_SERVER: '127.0.0.1:1' }).ended,
    ])
    expect(good).toMatchObject({ code: 0, stderr: '' })
    expect(JSON.parse(good.stdout)).toMatchObject({ name: 'box-0' })
    expect(rejected).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: NOT_FOUND: /),
    })
    expect(usage).toMatchObject({
      code: 2,
      stdout: '',
      stderr: expect.stringContaining('Did you mean box or boxes?'),
    })
    expect(unreachable).toMatchObject({
      code: 3,
      stdout: '',
      stderr: expect.stringContaining('connection refused'),
    })
  })

  it('stops quietly when its reader has read enough', async () => {
    const { env } = await cloud(1000)
    const script = `set -o pipefail; "$1" "$2" get boxes -o jsonl | head -n 2; "$1" "$2" get boxes | head -n 1; "$1" "$2" --help | true`
    const { ended } = start('bash', ['--norc', '-c', script, 'bash', process.execPath, main], env)
    const { code, stdout, stderr } = await ended
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' })
    expect(stdout.trimEnd().split('\n')).toHaveLength(3)
  })

  it('ends with 130 on Ctrl-C', async () => {
    const { run } = await cloud(1)
    const { child, output, ended } = run(['log', '--follow'])
    await until('it follows', () => output.stdout.includes('toy.CreateBox'))
    child.kill('SIGINT')
    expect(await ended).toMatchObject({ code: 130, signal: null, stderr: 'interrupted\n' })
  })

  it('says what becomes of a command that is interrupted', async () => {
    const { run, control } = await cloud(0)
    let asked = false
    control.submit = () => {
      asked = true
      return new Promise(() => undefined)
    }
    const { child, ended } = run(['toy', 'create-box', '--name', 'a', '--size', '1', '--sealed'])
    await until('it was sent', () => asked)
    child.kill('SIGINT')
    const { code, stderr } = await ended
    expect(code).toBe(130)
    expect(stderr).toMatch(/may or may not happen.*--command-id [0-9a-f-]{36}/)
  })
})
