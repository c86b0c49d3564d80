import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import { Progress } from '../../edges/cli/progress.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { ImageCatalog } from '../../hostd/image/catalog.ts'
import { endIncarnations } from '../down.ts'
import type { NodeFacts } from '../up.ts'
import { CloudProcess } from './cloud_process.ts'
import {
  balancerReaches,
  dig,
  guests,
  guestsServe,
  hostname,
  makeDemo,
  nameResolves,
  project,
} from './demo.ts'
import { summary } from './summary.ts'
import { freePort, requireEmpty, requirePrograms, ultracloud } from './tools.ts'

const KEPT_PORT = 8080
/** How long what is interrupted may take to let go of its files. */
const LET_GO_MS = 10_000

/** It was told to end before it was done. */
export class Interrupted extends Error {}

/** The whole story: a cloud comes up, serves, is wiped, comes back from its log, and answers the same. */
export class Quickstart {
  readonly #keep: boolean
  readonly #progress: Progress
  readonly #images = resolve('work/images')
  readonly #proved: string[] = []
  readonly #api: Api
  readonly #interruption = new AbortController()
  #work = ''
  #data = ''
  #log = ''
  #config: string | undefined
  #cloud: CloudProcess | undefined
  #facts: NodeFacts | undefined
  #holder: Promise<unknown> | undefined

  static async create(keep: boolean): Promise<Quickstart> {
    return new Quickstart(keep, new Api(await loadDomains()))
  }

  private constructor(keep: boolean, api: Api) {
    this.#keep = keep
    this.#api = api
    this.#progress = new Progress(process.stderr, process.env)
  }

  /**
   * Runs it. Throws Interrupted, or Error with what went wrong; either way nothing is left behind, but what `keep` keeps when all went
   * well.
   */
  async run(): Promise<void> {
    await this.#prepare()
    let kept = false
    try {
      await Promise.race([this.#story(), this.#interrupted()])
      kept = this.#keep
      process.stdout.write(`${this.#summary()}\n`)
    } finally {
      this.#progress.close()
      if (!kept) await this.#endEverything()
      await rm(this.#work, { recursive: true, force: true })
      this.#cloud?.release()
    }
  }

  /** Makes `run` end what it has started, and then throw. */
  interrupt(): void {
    this.#interruption.abort(new Interrupted('interrupted'))
  }

  #interrupted(): Promise<never> {
    const { signal } = this.#interruption
    return new Promise((_, reject) => {
      if (signal.aborted) reject(signal.reason as Error)
      signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true })
    })
  }

  /** Ends all that was started, and removes all that was made. */
  async #endEverything(): Promise<void> {
    // What failed or was interrupted goes no further.
    this.#interruption.abort(new Interrupted('interrupted'))
    await this.#cloud?.stop()
    await Promise.race([this.#holder, sleep(LET_GO_MS, undefined, { ref: false })])
    await endIncarnations(join(this.#data, 'host'))
    await rm(this.#data, { recursive: true, force: true })
    await rm(this.#log, { force: true })
  }

  async #prepare(): Promise<void> {
    await requirePrograms(process.env['PATH'] ?? '')
    if (this.#keep) {
      this.#data = resolve(process.env['ULTRACLOUD_DATA'] ?? 'work/data')
      await requireEmpty(this.#data)
    }
    await mkdir('work', { recursive: true })
    this.#work = await mkdtemp(resolve('work/quickstart-'))
    if (!this.#keep) {
      this.#data = join(this.#work, 'data')
      this.#config = join(this.#work, 'config.json')
      const free = '127.0.0.1:0'
      const listen = { grpc: free, rest: free, peer: free, dns: free, etcd: free }
      await writeFile(this.#config, JSON.stringify({ listen }))
    }
    this.#log = `${this.#data}.log`
  }

  async #step<T>(
    text: string,
    act: (update: (detail: string) => void) => Promise<T>,
    proves?: string,
  ): Promise<T> {
    this.#interruption.signal.throwIfAborted()
    const step = this.#progress.step(text)
    try {
      const result = await act((detail) => step.update(detail))
      step.done()
      if (proves !== undefined) this.#proved.push(proves)
      return result
    } catch (error) {
      step.fail()
      throw error
    }
  }

  async #start(): Promise<ApiClient> {
    this.#interruption.signal.throwIfAborted()
    this.#cloud = new CloudProcess({
      directory: this.#data,
      config: this.#config,
      images: this.#images,
      log: this.#log,
      throwAway: this.#keep ? undefined : this.#work,
    })
    const facts = await this.#cloud.ready
    this.#facts = facts
    return new ApiClient(this.#api, facts.grpc, (await readFile(facts.tokenFile, 'utf8')).trim())
  }

  get #running(): NodeFacts & { readonly dns: string } {
    const facts = this.#facts
    if (facts?.dns === undefined) throw new Error('no cloud runs')
    return { ...facts, dns: facts.dns }
  }

  #ultracloud(args: readonly string[]): Promise<string> {
    return this.#holding(ultracloud(args, this.#interruption.signal))
  }

  /** Notes what holds files, so that they are removed only after it has let go of them. */
  #holding<T>(work: Promise<T>): Promise<T> {
    this.#holder = work.catch(() => undefined)
    return work
  }

  async #story(): Promise<void> {
    await this.#step("build the guests' image from Debian's packages", () =>
      this.#holding(new ImageCatalog(this.#images).find('guest')),
    )
    let client = await this.#step(
      'start the cloud: a member of the log, a name server, a balancer, a host',
      () => this.#start(),
    )
    const port = this.#keep ? KEPT_PORT : await freePort('127.77.0.1')
    const address = await this.#step('make a network, a zone, two instances, a load balancer', () =>
      makeDemo(client, port),
    )
    await this.#step(
      'boot two guests under QEMU',
      (update) => guestsServe(client, guests, update),
      'two guests booted under QEMU',
    )
    await this.#step(
      `resolve ${hostname} with dig`,
      () => nameResolves(this.#running.dns, address),
      `dig resolved ${hostname} to the balancer's address ${address}`,
    )
    await this.#step(
      'reach both guests in turn with curl',
      () => balancerReaches(address, port, guests),
      'curl reached both guests in turn through the balancer',
    )
    await this.#step(
      'stop one guest: the balancer sends everything to the other',
      async () => {
        await client.command({
          type: 'vm.StopInstance',
          data: { project, name: guests[0] },
          commandId: newCommandId(),
          wait: 'realized',
        })
        await balancerReaches(address, port, [guests[1]])
      },
      'with one guest stopped, curl reached only the other',
    )
    const backup = join(this.#work, 'cloud.backup')
    const before = await this.#step('back the cloud up while it runs', () => this.#backUp(backup))
    await this.#step('wipe it: end the cloud and its guests, remove all its data', () => this.#wipe(client))
    await this.#step('restore it from the backup, and start it', async () => {
      await this.#ultracloud(['backup', 'restore', backup, '--data', this.#data])
      client = await this.#start()
    })
    await this.#step(
      'compare',
      (update) => this.#compare(client, backup, before, address, port, update),
      'wiped and restored, it had the same digests at the same revision, and gave the same answers',
    )
    client.close()
  }

  async #backUp(file: string): Promise<string> {
    const facts = this.#running
    await this.#ultracloud([
      'backup',
      'create',
      file,
      '--server',
      facts.grpc,
      '--token-file',
      facts.tokenFile,
    ])
    return this.#verify(file)
  }

  /** The digests of every projection at a backup's revision, by replaying it. */
  async #verify(file: string): Promise<string> {
    const { revision, digests } = JSON.parse(
      await this.#ultracloud(['backup', 'verify', file, '-o', 'json']),
    ) as {
      revision: number
      digests: unknown
    }
    return JSON.stringify({ revision, digests })
  }

  async #wipe(client: ApiClient): Promise<void> {
    client.close()
    await this.#cloud?.stop()
    this.#facts = undefined
    await endIncarnations(join(this.#data, 'host'))
    await rm(this.#data, { recursive: true })
  }

  async #compare(
    client: ApiClient,
    backup: string,
    before: string,
    address: string,
    port: number,
    update: (detail: string) => void,
  ): Promise<void> {
    const { revision } = JSON.parse(before) as { revision: number }
    const facts = this.#running
    update('digests')
    const again = join(this.#work, 'restored.backup')
    await this.#ultracloud([
      'backup',
      'create',
      again,
      '--server',
      facts.grpc,
      '--token-file',
      facts.tokenFile,
    ])
    const after = JSON.parse(
      await this.#ultracloud(['backup', 'verify', again, '--to', String(revision), '-o', 'json']),
    ) as { revision: number; digests: unknown }
    if (JSON.stringify({ revision: after.revision, digests: after.digests }) !== before)
      throw new Error(`the digests differ: ${before} before, ${JSON.stringify(after)} after (${backup})`)
    await guestsServe(client, [guests[1]], update)
    update('name')
    await nameResolves(this.#running.dns, address)
    update('balancer')
    await balancerReaches(address, port, [guests[1]])
    await client.command({
      type: 'vm.StartInstance',
      data: { project, name: guests[0] },
      commandId: newCommandId(),
    })
    await guestsServe(client, guests, update)
    await balancerReaches(address, port, guests)
    if ((await dig(this.#running.dns, 'web-1.demo.test')) === '')
      throw new Error('web-1.demo.test does not resolve')
  }

  #summary(): string {
    const { dns } = this.#running
    const kept = { dns, page: `http://127.77.0.1:${KEPT_PORT}/`, name: hostname, log: this.#log }
    return summary(this.#proved, this.#keep ? kept : undefined).join('\n')
  }
}
