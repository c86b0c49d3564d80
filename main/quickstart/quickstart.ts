import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { newCommandId } from '../../domains/kernel/uuid.ts'
import { loadDomains } from '../../domains/load.ts'
import { Progress } from '../../edges/cli/progress.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { ImageCatalog } from '../../hostd/image/catalog.ts'
import { endIncarnations } from '../down.ts'
import {
  balancerReaches,
  dig,
  guests,
  guestsServe,
  hostname,
  listenerPort,
  makeDemo,
  nameResolves,
  project,
} from './demo.ts'
import { type Cloud, freePort, startCloud, ultracloud } from './tools.ts'

const KEPT_PORT = 8080

/** The whole story: a cloud comes up, serves, is wiped, comes back from its log, and answers the same. */
export class Quickstart {
  readonly #keep: boolean
  readonly #progress: Progress
  readonly #images = resolve('work/images')
  readonly #proved: string[] = []
  readonly #api: Api
  #work = ''
  #data = ''
  #config: string | undefined
  #cloud: Cloud | undefined

  static async create(keep: boolean): Promise<Quickstart> {
    return new Quickstart(keep, new Api(await loadDomains()))
  }

  private constructor(keep: boolean, api: Api) {
    this.#keep = keep
    this.#api = api
    this.#progress = new Progress(process.stderr, process.env)
  }

  /** Runs it. Throws Error with what went wrong; either way nothing is left behind, but what `keep` keeps. */
  async run(): Promise<void> {
    await this.#prepare()
    let kept = false
    try {
      await this.#story()
      kept = this.#keep
      this.#summary()
    } finally {
      this.#progress.close()
      if (kept) this.#cloud?.release()
      else await this.endEverything()
    }
  }

  /** Ends all that was started, and removes all that was made: also after an interruption. */
  async endEverything(): Promise<void> {
    await this.#cloud?.stop()
    await endIncarnations(join(this.#data, 'host'))
    await rm(this.#work, { recursive: true, force: true })
    if (this.#keep) await rm(this.#data, { recursive: true, force: true })
  }

  async #prepare(): Promise<void> {
    await mkdir('work', { recursive: true })
    this.#work = await mkdtemp(resolve('work/quickstart-'))
    if (this.#keep) {
      this.#data = resolve(process.env['ULTRACLOUD_DATA'] ?? 'work/data')
      return
    }
    this.#data = join(this.#work, 'data')
    this.#config = join(this.#work, 'config.json')
    const free = '127.0.0.1:0'
    await writeFile(
      this.#config,
      JSON.stringify({ listen: { grpc: free, rest: free, peer: free, dns: free, etcd: free } }),
    )
  }

  async #step<T>(
    text: string,
    act: (update: (detail: string) => void) => Promise<T>,
    proves?: string,
  ): Promise<T> {
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
    const cloud = await startCloud(this.#data, this.#config, this.#images)
    this.#cloud = cloud
    return new ApiClient(this.#api, cloud.facts.grpc, (await readFile(cloud.facts.tokenFile, 'utf8')).trim())
  }

  get #running(): Cloud {
    if (this.#cloud === undefined) throw new Error('no cloud runs')
    return this.#cloud
  }

  async #story(): Promise<void> {
    await this.#step("build the guests' image from Debian's packages", async () =>
      new ImageCatalog(this.#images).find('guest'),
    )
    let client = await this.#step(
      'start the cloud: a member of the log, a name server, a balancer, a host',
      () => this.#start(),
    )
    const port = (await listenerPort(client)) ?? (this.#keep ? KEPT_PORT : await freePort('127.77.0.1'))
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
      () => nameResolves(this.#running, address),
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
    await this.#step(
      'wipe it: end the cloud and its guests, remove all its data',
      () => this.#wipe(client),
      undefined,
    )
    await this.#step('restore it from the backup, and start it', async () => {
      await ultracloud(['backup', 'restore', backup, '--data', this.#data])
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
    const { facts } = this.#running
    await ultracloud(['backup', 'create', file, '--server', facts.grpc, '--token-file', facts.tokenFile])
    return this.#verify(file)
  }

  /** The digests of every projection at a backup's revision, by replaying it. */
  async #verify(file: string): Promise<string> {
    const { revision, digests } = JSON.parse(await ultracloud(['backup', 'verify', file, '-o', 'json'])) as {
      revision: number
      digests: unknown
    }
    return JSON.stringify({ revision, digests })
  }

  async #wipe(client: ApiClient): Promise<void> {
    client.close()
    await this.#cloud?.stop()
    this.#cloud = undefined
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
    const { facts } = this.#running
    update('digests')
    const again = join(this.#work, 'restored.backup')
    await ultracloud(['backup', 'create', again, '--server', facts.grpc, '--token-file', facts.tokenFile])
    const after = JSON.parse(
      await ultracloud(['backup', 'verify', again, '--to', String(revision), '-o', 'json']),
    ) as { revision: number; digests: unknown }
    if (JSON.stringify({ revision: after.revision, digests: after.digests }) !== before)
      throw new Error(`the digests differ: ${before} before, ${JSON.stringify(after)} after (${backup})`)
    await guestsServe(client, [guests[1]], update)
    update('name')
    await nameResolves(this.#running, address)
    update('balancer')
    await balancerReaches(address, port, [guests[1]])
    await client.command({
      type: 'vm.StartInstance',
      data: { project, name: guests[0] },
      commandId: newCommandId(),
    })
    await guestsServe(client, guests, update)
    await balancerReaches(address, port, guests)
    if ((await dig(this.#running, `web-1.demo.test`)) === '')
      throw new Error('web-1.demo.test does not resolve')
  }

  #summary(): void {
    const { facts } = this.#running
    const say = (line = ''): void => void process.stdout.write(`${line}\n`)
    say()
    say('What this has shown:')
    for (const proof of this.#proved) say(`  - ${proof}`)
    say()
    if (!this.#keep) {
      say('Nothing was left running. To keep a cloud, and play with it:')
      say('  npm run quickstart -- --keep')
      return
    }
    const [host, port] = (facts.dns ?? '').split(':')
    say('The cloud is still running. Try:')
    say(`  dig @${host} -p ${port} ${hostname}`)
    say(`  curl http://127.77.0.1:${KEPT_PORT}/`)
    say('  npm run -s ultracloud -- get instances --project demo')
    say('  npm run -s ultracloud -- why instance/web-1 --project demo')
    say('  npm run -s ultracloud -- diff --from 5m')
    say('  npm run -s ultracloud -- down --end-instances        (ends all of it)')
  }
}
