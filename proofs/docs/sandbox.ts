import { randomInt } from 'node:crypto'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { loadDomains } from '../../domains/load.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { testImageDirectory } from '../../hostd/testing/guests.ts'
import { endIncarnations } from '../../main/down.ts'
import { freePort } from '../../main/quickstart/tools.ts'
import type { NodeFacts } from '../../main/up.ts'
import { type Answer, Terminals } from './shell.ts'

const program = fileURLToPath(new URL('../../main/ultracloud.ts', import.meta.url))
const buf = fileURLToPath(new URL('../../node_modules/.bin/buf', import.meta.url))
/** Programs that run until they are told to end. */
const STAYS = /^ultracloud (up|host|name-server|balancer)\b/
/** What the ports begin with that the documentation gives to each member of a cluster: clients 0, peers 1, REST 2, etcd 3. */
const MEMBER_PORTS = ['1742', '2742', '3742']
const FREE = '127.0.0.1:0'

/**
 * A directory in which documented commands are run as if it were the checkout, without meeting any other cloud on this machine: every port
 * that the documentation names is replaced by a free one.
 */
export class Sandbox {
  readonly #directory: string
  readonly #terminals: Terminals
  readonly #ports: ReadonlyMap<string, string>
  #facts: NodeFacts | undefined
  #token = ''
  /** What stays, but is not ready yet. */
  readonly #starting: Promise<string>[] = []

  static async open(): Promise<Sandbox> {
    const directory = await mkdtemp(join(tmpdir(), 'ultracloud-docs-'))
    await mkdir(join(directory, 'bin'))
    await writeFile(
      join(directory, 'bin', 'ultracloud'),
      `#!/bin/sh\nexec ${process.execPath} ${program} "$@"\n`,
      { mode: 0o755 },
    )
    // On a terminal curl does not show how far it is; and here an answer that is an error must not pass.
    await writeFile(join(directory, '.curlrc'), 'silent\nshow-error\nfail-with-body\n')
    const listen = { grpc: FREE, rest: FREE, peer: FREE, etcd: FREE, dns: FREE }
    await writeFile(join(directory, 'free-ports.json'), JSON.stringify({ name: 'vm', listen }))
    const ports = new Map<string, string>()
    for (const member of MEMBER_PORTS) {
      const first = await freeTen()
      for (const last of [0, 1, 2, 3]) ports.set(`${member}${last}`, String(first + last))
    }
    ports.set('8080', String(await freePort('127.77.0.1')))
    return new Sandbox(directory, ports)
  }

  private constructor(directory: string, ports: ReadonlyMap<string, string>) {
    this.#directory = directory
    this.#ports = ports
    const { PATH, LANG } = process.env
    this.#terminals = new Terminals(directory, {
      PATH: `${join(directory, 'bin')}:${PATH ?? ''}`,
      HOME: directory,
      LANG,
      NO_COLOR: '1',
      ULTRACLOUD_IMAGES: testImageDirectory,
      // Most of what a command takes is otherwise reading the program.
      NODE_COMPILE_CACHE: join(tmpdir(), `ultracloud-compile-cache-${userInfo().uid}`),
    })
  }

  /** The port that stands for one that the documentation names. */
  port(documented: string): number {
    return Number(this.#ports.get(documented))
  }

  /** A client of the node that runs, as its administrator. */
  async client(): Promise<ApiClient> {
    const { grpc, tokenFile } = this.#node
    return new ApiClient(new Api(await loadDomains()), grpc, (await readFile(tokenFile, 'utf8')).trim())
  }

  get #node(): NodeFacts {
    if (this.#facts === undefined) throw new Error('no node runs')
    return this.#facts
  }

  /** Does what a reader does with a documented command. */
  async run(documented: string): Promise<Answer> {
    const command = this.#rewritten(documented)
    if (STAYS.test(command)) return this.#stay(command)
    await Promise.all(this.#starting.splice(0))
    const answer = await this.#terminals.run(command)
    this.#token = /\buct_[\w-]+/.exec(answer.output)?.[0] ?? this.#token
    return answer
  }

  async #stay(command: string): Promise<Answer> {
    const first = command.startsWith('ultracloud up') && !command.includes('--config')
    const staying = this.#terminals.stay(first ? `${command} --config free-ports.json` : command)
    if (!first) {
      // A member gets ready only with others, which are started by the next commands.
      staying.catch(() => undefined)
      this.#starting.push(staying)
      return { code: 0, output: '' }
    }
    const output = await staying
    const facts = /^ready (.*)$/m.exec(output)?.[1] ?? ''
    this.#facts = JSON.parse(facts) as NodeFacts
    return this.#terminals.run(`export ULTRACLOUD_SERVER=${this.#facts.grpc}`)
  }

  #rewritten(documented: string): string {
    let command = documented
      .replaceAll('npm run -s ultracloud -- ', 'ultracloud ')
      .replaceAll('npx buf ', `${buf} `)
      // This cloud is seconds old.
      .replaceAll('--to 2h', '--to 1s')
      .replaceAll(/\bTOKEN\b/g, this.#token)
    for (const [port, free] of this.#ports)
      command = command.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), free)
    if (this.#facts === undefined) return command
    const { grpc, rest, dns = '' } = this.#facts
    return command
      .replaceAll('127.0.0.1:7420', grpc)
      .replaceAll('127.0.0.1:7422', rest)
      .replaceAll('-p 7453', `-p ${dns.slice(dns.indexOf(':') + 1)}`)
  }

  /** Ends the programs whose commands have this in them, as Ctrl-C does, once they are ready. */
  async interrupt(part: string): Promise<void> {
    await Promise.all(this.#starting.splice(0))
    await this.#terminals.interrupt(part)
  }

  /** Whether the programs whose commands have this in them have ended by themselves. */
  haveEnded(part: string): Promise<boolean> {
    return this.#terminals.haveEnded(part)
  }

  /** Ends and removes all there is. */
  async close(): Promise<void> {
    await this.#terminals.close()
    await endIncarnations(join(this.#directory, 'work', 'data', 'host'))
    await rm(this.#directory, { recursive: true, force: true })
  }
}

/** The first of ten ports of which nobody has the first four; below those that the system gives to whoever connects. */
async function freeTen(): Promise<number> {
  for (;;) {
    const first = randomInt(1500, 3200) * 10
    const taken = await Promise.all([0, 1, 2, 3].map((last) => isTaken(first + last)))
    if (!taken.includes(true)) return first
  }
}

function isTaken(port: number): Promise<boolean> {
  const server = createServer()
  return new Promise((resolve) => {
    server.once('error', () => resolve(true))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(false)))
  })
}
