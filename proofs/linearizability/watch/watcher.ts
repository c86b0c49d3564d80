import type { ClientHttp2Stream } from 'node:http2'
import { setTimeout as sleep } from 'node:timers/promises'
import { FrameReader, frame } from '../../../edges/etcd/frames.ts'
import { decodeAny, encode } from '../../../edges/etcd/messages.ts'
import { EtcdClient, type Message } from '../workload/etcd_client.ts'
import type { Random } from '../workload/random.ts'
import { clusterOf, keyValueOf, revisionOf } from '../workload/wire.ts'
import { eventsIn, type WatchEvent, type WatchItem, type WatchRecord, type WatchSpec } from './record.ts'

/** A watcher asks how far it is so often, and goes elsewhere when it hears nothing for so long. */
const PROGRESS_EVERY_MS = 300
const SILENCE_MS = 1_500
/** It goes elsewhere by itself from time to time, too: after so long on the average. */
const CONNECTION_MS = 4_000
const RETRY_MS = 50
const MESSAGE_BYTES_MAX = 64 << 20

export interface WatchedMember {
  readonly name: string
  readonly etcd: string
}

export interface WatchedCluster {
  readonly id: string
  readonly members: readonly WatchedMember[]
}

/** A watch that outlives its connections: it resumes, at a member picked anew, after the last revision it was told of. */
export class WatchClient implements WatchRecord {
  readonly spec: WatchSpec
  readonly items: WatchItem[] = []
  readonly #cluster: WatchedCluster
  readonly #random: Random
  /** What was asked of it that it did not do. */
  readonly surprises: string[] = []
  /** The first revision it has not been told. */
  #next: number
  #stopping = false
  #connection: { readonly stream: ClientHttp2Stream; readonly client: EtcdClient } | undefined
  readonly #ended: Promise<void>

  /** `from`: the first revision wanted. */
  constructor(spec: WatchSpec, cluster: WatchedCluster, from: number, random: Random) {
    this.spec = spec
    this.#cluster = cluster
    this.#random = random
    this.#next = from
    this.#ended = this.#run()
  }

  /** The last revision up to which it has been told everything. */
  get reached(): number {
    return this.#next - 1
  }

  /** Events that it has been told of. */
  get told(): number {
    return eventsIn(this.items)
  }

  async stop(): Promise<void> {
    this.#stopping = true
    this.#drop()
    await this.#ended
  }

  async #run(): Promise<void> {
    while (!this.#stopping) {
      await this.#connect(this.#random.pick(this.#cluster.members))
      await sleep(RETRY_MS)
    }
  }

  /** Until the connection is over. */
  async #connect({ etcd, name }: WatchedMember): Promise<void> {
    const client = new EtcdClient(etcd)
    const stream = client.open('Watch/Watch')
    this.#connection = { stream, client }
    const reader = new FrameReader(MESSAGE_BYTES_MAX)
    const from = this.#next
    let heard = performance.now()
    let isCreated = false
    stream.on('data', (chunk: Buffer) => {
      heard = performance.now()
      for (const bytes of reader.take(chunk)) {
        const message = decodeAny('WatchResponse', bytes)
        if (message['created'] === true && !isCreated) {
          isCreated = true
          this.items.push({ kind: 'created', at: heard, from, member: name })
        }
        this.#take(message, heard)
        const problem = this.#strangeness(message)
        if (problem !== undefined)
          this.surprises.push(`${this.spec.name} at ${name}: ${problem}: ${bytes.toString('hex')}`)
      }
    })
    const closed = new Promise<void>((resolve) => stream.on('close', resolve))
    this.#send(stream, { createRequest: this.#createRequest(from) })
    const lifetime = this.#random.between(0, 2 * CONNECTION_MS)
    const began = performance.now()
    const timer = setInterval(() => {
      const now = performance.now()
      if (now - heard > SILENCE_MS || now - began > lifetime) this.#drop()
      else this.#send(stream, { progressRequest: {} })
    }, PROGRESS_EVERY_MS)
    await closed
    clearInterval(timer)
    client.close()
  }

  #createRequest(startRevision: number): object {
    const { prefix, without, previous } = this.spec
    const end = `${prefix.slice(0, -1)}${String.fromCharCode(prefix.charCodeAt(prefix.length - 1) + 1)}`
    return {
      key: Buffer.from(prefix, 'latin1'),
      rangeEnd: Buffer.from(end, 'latin1'),
      startRevision,
      filters: without.map((type) => (type === 'put' ? 0 : 1)),
      prevKv: previous,
      fragment: true,
    }
  }

  #take(message: Message, at: number): void {
    const revision = revisionOf(message)
    if (message['canceled'] === true) {
      this.surprises.push(`${this.spec.name} was canceled: ${String(message['cancelReason'])}`)
      this.#drop()
      return
    }
    if (message['created'] === true) return
    const events = (message['events'] as Message[]).map(eventOf)
    const fragment = message['fragment'] === true
    if (events.length === 0) {
      this.items.push({ kind: 'progress', at, revision })
      this.#next = Math.max(this.#next, revision + 1)
      return
    }
    this.items.push({ kind: 'events', at, revision, events, fragment })
    const last = events.at(-1)?.kv.mod ?? 0
    this.#next = Math.max(this.#next, fragment ? last : last + 1)
  }

  /** What no member can have meant: then the bytes say which end is at fault. */
  #strangeness(message: Message): string | undefined {
    if (clusterOf(message) !== this.#cluster.id) return 'another cluster answers'
    const revision = revisionOf(message)
    const beyond = (message['events'] as Message[]).map(eventOf).find(({ kv }) => kv.mod > revision)
    return beyond && `revision ${beyond.kv.mod} under a header of ${revision}`
  }

  #send(stream: ClientHttp2Stream, fields: object): void {
    if (!stream.destroyed && !stream.closed) stream.write(frame(encode('WatchRequest', fields)))
  }

  #drop(): void {
    this.#connection?.stream.destroy()
    this.#connection?.client.close()
  }
}

function eventOf(message: Message): WatchEvent {
  const previous = message['prevKv']
  return {
    type: Number(message['type']) === 0 ? 'put' : 'delete',
    kv: keyValueOf(message['kv'] as Message),
    previous: previous ? keyValueOf(previous as Message) : undefined,
  }
}
