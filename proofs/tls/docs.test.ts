import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { repositoryRoot } from '../../edges/testing/run_tool.ts'

const READY_MS = 40_000
const COMMAND_MS = 30_000
const OUTPUT_CHARACTERS_MAX = 64 * 1024
let directory: string
const nodes: { readonly child: ChildProcess; readonly output: () => string }[] = []

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'ultracloud-tls-docs-'))
})

afterAll(async () => {
  await Promise.all(
    nodes.map(async ({ child }) => {
      const ended = new Promise((resolve) => child.once('close', resolve))
      if (child.exitCode === null && child.kill('SIGTERM')) await ended
    }),
  )
  await rm(directory, { recursive: true, force: true })
})

/** The commands of a page, in order, on addresses that nobody else has. */
async function commandsOf(page: string): Promise<readonly string[]> {
  const text = await readFile(join(repositoryRoot, 'docs', page), 'utf8')
  const network = `127.${randomInt(1, 255)}.${randomInt(1, 255)}.`
  return [...text.matchAll(/^```sh\n(.*?)^```$/gms)]
    .flatMap(([, block = '']) => block.trim().split('\n'))
    .map((line) => line.replaceAll('10.0.0.', network))
}

/** As a shell would run a line, in a directory of its own. */
function shell(line: string): { readonly child: ChildProcess; readonly output: () => string } {
  const program = `ultracloud() { exec "${process.execPath}" "${join(repositoryRoot, 'main', 'ultracloud.ts')}" "$@"; }`
  const child = spawn('bash', ['-c', `${program}\n${line}`], {
    cwd: directory,
    env: { ...process.env, PATH: `${repositoryRoot}node_modules/.bin:${process.env['PATH'] ?? ''}` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let text = ''
  const take = (chunk: Buffer): void => {
    text = (text + chunk.toString('utf8')).slice(-OUTPUT_CHARACTERS_MAX)
  }
  child.stdout.on('data', take)
  child.stderr.on('data', take)
  return { child, output: () => text }
}

async function done(line: string): Promise<string> {
  const { child, output } = shell(line)
  const timer = setTimeout(() => child.kill('SIGKILL'), COMMAND_MS)
  const code = await new Promise((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  expect(`${line}\n${output()}\n=> ${String(code)}`).toMatch(/=> 0$/)
  return output()
}

function ready(line: string): Promise<void> {
  const node = shell(line)
  nodes.push(node)
  return new Promise((resolve, reject) => {
    const fail = (): void => reject(new Error(`${line}\n${node.output()}`))
    const timer = setTimeout(fail, READY_MS)
    const look = (): void => {
      if (!/^ready /m.test(node.output())) return
      clearTimeout(timer)
      resolve()
    }
    node.child.stdout?.on('data', look)
    node.child.once('close', fail)
  })
}

it('every command of docs/tls.md does what the page says', async () => {
  const commands = await commandsOf('tls.md')
  const isNode = (line: string): boolean => line.startsWith('ultracloud up ')
  expect(commands.filter(isNode)).toHaveLength(3)
  const first = commands.findIndex(isNode)
  for (const line of commands.slice(0, first)) await done(line)
  await Promise.all(commands.filter(isNode).map(ready))
  const status = commands.find((line) => line.startsWith('ultracloud status')) ?? ''
  const rest = commands.slice(first).filter((line) => !isNode(line))
  expect(rest.length).toBeGreaterThanOrEqual(8)
  for (const line of rest) {
    const output = await done(line)
    if (line.startsWith('buf curl')) expect(output).toContain('ultracloud.cluster.v1.ClusterService/Status')
    if (line.startsWith('curl')) expect(output).toBe('{"status":"ok"}')
    if (line.startsWith('openssl')) expect(output).toContain('Verification: OK')
    if (line.includes(' rotate-ca ')) expect(await done(status)).toMatch(/leader +[abc]/)
  }
  for (const { child, output } of nodes) {
    expect(child.exitCode).toBeNull()
    expect(output()).toContain('new certificates are in use')
  }
}, 120_000)
