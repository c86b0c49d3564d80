import { execFile, spawn } from 'node:child_process'
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'

const run = promisify(execFile)
const ROOT = dirname(import.meta.dirname)

/** A clone with the setup script and the lock file alone, that everyone may write. */
async function plantClone(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'ultracloud-setup-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  await mkdir(join(root, 'scripts'))
  for (const name of ['scripts/setup.sh', 'scripts/packages.txt', 'package-lock.json']) {
    await cp(join(ROOT, name), join(root, name))
  }
  await chmod(root, 0o777)
  return root
}

/** Marks the npm packages of the clone as installed. */
async function markInstalled(root: string): Promise<void> {
  await mkdir(join(root, 'node_modules'))
  await cp(join(root, 'package-lock.json'), join(root, 'node_modules/.installed-lock.json'))
}

/** Puts a program into `bin` of the clone, to be found before the system's. */
async function plantProgram(root: string, name: string, script: string): Promise<string> {
  const bin = join(root, 'bin')
  await mkdir(bin, { recursive: true })
  await writeFile(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 })
  return [bin, process.env['PATH'] ?? ''].join(delimiter)
}

const GOES_ON =
  /^setup: these Debian packages are missing: .*qemu-system-x86.*\n.*with: sudo apt-get install -y --no-install-recommends .*\n.*going on/

test('without root it names the one command for what is missing, and goes on', async () => {
  const root = await plantClone()
  await markInstalled(root)
  const path = await plantProgram(root, 'dpkg-query', 'exit 1')
  await plantProgram(root, 'id', 'echo 1000')
  const { stdout } = await run('sh', ['scripts/setup.sh'], { cwd: root, env: { PATH: path } })
  expect(stdout).toMatch(GOES_ON)
})

test('as root on a system that is not Debian it does the same', async () => {
  const root = await plantClone()
  await markInstalled(root)
  const bin = join(root, 'bin')
  await mkdir(bin)
  await plantProgram(root, 'id', 'echo 0')
  for (const name of ['sh', 'dirname', 'mkdir', 'cmp', 'grep', 'cat']) {
    const { stdout } = await run('sh', ['-c', `command -v ${name}`])
    await plantProgram(root, name, `exec ${stdout.trim()} "$@"`)
  }
  const { stdout } = await run('/bin/sh', ['scripts/setup.sh'], { cwd: root, env: { PATH: bin } })
  expect(stdout).toMatch(GOES_ON)
})

test('programs run on the Node that package.json names', async () => {
  const manifest: unknown = JSON.parse(await readFile(join(ROOT, 'package.json'), 'utf8'))
  expect(manifest).toMatchObject({ dependencies: { node: process.versions.node } })
})

test('it is silent when all is there', async () => {
  const root = await plantClone()
  await markInstalled(root)
  const path = await plantProgram(root, 'dpkg-query', "printf 'install ok installed'")
  const { stdout, stderr } = await run('sh', ['scripts/setup.sh'], { cwd: root, env: { PATH: path } })
  expect(stdout + stderr).toBe('')
})

test('two at once in one clone install once, and a third finds it done', async () => {
  const root = await plantClone()
  const npm =
    'mkdir node_modules || exit 1\necho "npm $*" >>calls\nfor i in $(seq 1000); do [ -e go ] && break; sleep 0.02; done\nsleep 60 >/dev/null 2>&1 &\necho $! >child'
  const path = await plantProgram(root, 'npm', npm)
  await plantProgram(root, 'dpkg-query', "printf 'install ok installed'")
  const setup = (): Promise<unknown> => run('sh', ['scripts/setup.sh'], { cwd: root, env: { PATH: path } })
  const both = Promise.all([setup(), setup()])
  await expect.poll(() => readFile(join(root, 'calls'), 'utf8').catch(() => '')).toContain('npm ci')
  await writeFile(join(root, 'go'), '')
  await both
  await setup()
  // What the installer left running does not hold the lock: the second and the third run came to their end.
  process.kill(Number(await readFile(join(root, 'child'), 'utf8')))
  expect(await readFile(join(root, 'calls'), 'utf8')).toBe('npm ci --no-audit --no-fund --loglevel=error\n')
})

test('a failed npm install fails the setup, and the next run tries again', async () => {
  const root = await plantClone()
  const path = await plantProgram(root, 'npm', '[ -e works ] || exit 7\nmkdir node_modules')
  await plantProgram(root, 'dpkg-query', "printf 'install ok installed'")
  const setup = (): Promise<number | null> =>
    new Promise((resolve) =>
      spawn('sh', ['scripts/setup.sh'], { cwd: root, env: { PATH: path } }).on('close', resolve),
    )
  expect(await setup()).toBe(7)
  await writeFile(join(root, 'works'), '')
  expect(await setup()).toBe(0)
})
