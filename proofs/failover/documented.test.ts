import { type ChildProcess, spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { expect, onTestFinished, test } from 'vitest'

const root = join(import.meta.dirname, '..', '..')
const program = join(root, 'main', 'ultracloud.ts')
const READY_MS = 60_000

/** Runs what a page shows, in a directory of its own and at addresses of its own. */
class Shell {
  readonly #directory: string
  readonly #network = `127.${randomInt(1, 255)}.${randomInt(1, 255)}`
  readonly #running: ChildProcess[] = []
  readonly #said: string[] = []

  constructor(directory: string) {
    this.#directory = directory
  }

  /** The lines of one block: commands one after the other, and all `up` at once. Returns what they wrote. */
  async run(lines: readonly string[], replace: Readonly<Record<string, string>> = {}): Promise<string> {
    const texts: string[] = []
    const ups: Promise<string>[] = []
    for (const line of lines) {
      const words = line
        .replaceAll(/127\.0\.0\.(\d)/g, `${this.#network}.$1`)
        .replaceAll(/BEGINNING/g, (name) => replace[name] ?? name)
        .split(' ')
      if (line.startsWith('ETCDCTL_API=3 etcdctl ')) {
        texts.push(
          await this.#finished(words.join(' '), spawn('bash', ['-c', words.join(' ')], this.#options)),
        )
        continue
      }
      expect(words.shift()).toBe('ultracloud')
      if (words[0] === 'up') ups.push(this.#up(words))
      else texts.push(await this.#command(words))
    }
    return [...texts, ...(await Promise.all(ups))].join('\n')
  }

  #command(words: readonly string[]): Promise<string> {
    return this.#finished(words.join(' '), this.#spawn(words))
  }

  async #finished(command: string, child: ChildProcess): Promise<string> {
    let text = ''
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (data) => (text += String(data)))
    const code = await new Promise((resolve) => child.once('close', resolve))
    expect(code, `${command}: ${text}\n${this.#said.slice(-60).join('\n')}`).toBe(0)
    return text
  }

  #up(words: readonly string[]): Promise<string> {
    const child = this.#spawn(words)
    this.#running.push(child)
    const said = this.#said
    return new Promise((resolve, reject) => {
      const fail = (): void => reject(new Error(`${words.join(' ')}: ${said.join('\n')}`))
      const timer = setTimeout(fail, READY_MS)
      child.once('close', fail)
      for (const stream of [child.stdout, child.stderr]) {
        if (stream === null) continue
        createInterface({ input: stream }).on('line', (line) => {
          said.push(line)
          if (!line.startsWith('ready ')) return
          clearTimeout(timer)
          resolve(line)
        })
      }
    })
  }

  #spawn(words: readonly string[]): ChildProcess {
    return spawn(process.execPath, [program, ...words], this.#options)
  }

  get #options() {
    const ca = join(this.#directory, 'cloud', 'ca.crt')
    return { cwd: this.#directory, env: { ...process.env, ULTRACLOUD_SUPERVISED: '1', ULTRACLOUD_CA: ca } }
  }

  async killLast(count: number): Promise<void> {
    for (const child of this.#running.splice(-count)) {
      const ended = new Promise((resolve) => child.once('close', resolve))
      child.kill('SIGKILL')
      await ended
    }
  }

  async end(): Promise<void> {
    await this.killLast(this.#running.length)
  }

  /** Arguments that reach a member, with the administrator's token. */
  at(host: number, member: string): string {
    const token = join(this.#directory, 'work', member, 'admin.token')
    return `--server ${this.#network}.${host}:17420 --token-file ${token}`
  }
}

async function blocks(page: string): Promise<readonly (readonly string[])[]> {
  const text = await readFile(join(root, 'docs', page), 'utf8')
  return [...text.matchAll(/```sh\n(.*?)```/gs)].map(([, block]) => (block ?? '').trim().split('\n'))
}

test('the commands on the page of the log found a cluster, serve etcdctl, back it up, let a member recover, and restore a lost quorum', async () => {
  const [found, status, backUp, recover, restore, etcd, ...more] = await blocks('chainfire.md')
  expect(more).toEqual([])
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-documented-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const shell = new Shell(directory)
  onTestFinished(() => shell.end())
  await shell.run(found ?? [])
  await shell.run([`ultracloud dns create-zone --project default --name kept.test ${shell.at(1, 'a')}`])
  expect(await shell.run(status ?? [])).toMatch(/leader +[abc]/)
  const answered = await shell.run(etcd ?? [])
  expect(answered).toContain('greeting\nhello\n')
  expect(answered).toMatch(/https:\/\/127\.\d+\.\d+\.3:17423/)

  await shell.killLast(1)
  await rm(join(directory, 'work', 'c'), { recursive: true })
  await shell.run(recover ?? [])
  await shell.run(backUp ?? [])

  await shell.end()
  const [first, ...others] = restore ?? []
  const text = await shell.run([first ?? ''])
  const [beginning = ''] = /--to \S+ --history \S+ --time \S+/.exec(text) ?? []
  await shell.run(others, { BEGINNING: beginning })
  const zones = await shell.run([`ultracloud get zones --project default ${shell.at(2, 'b2')}`])
  expect(zones).toContain('kept.test')
}, 400_000)
