import type { CallStream } from './call_stream.ts'
import { text } from './convert.ts'
import { EventSender } from './event_sender.ts'
import type { Member } from './member.ts'
import { decode, encode, type RequestFields } from './messages.ts'
import type { StreamMethod } from './server.ts'
import type { WatchHub } from './watch_hub.ts'
import { Watcher } from './watcher.ts'

const PATH = '/etcdserverpb.Watch/Watch'
/** Watches on one stream, at most. */
const WATCHES_MAX = 10_000
/** The id of responses that belong to no watch, or to all. */
const NO_WATCH = -1

export interface WatchParts {
  readonly member: Member
  readonly hub: WatchHub
  /** How long a watch that asked to be told of progress goes without a word; default 10 minutes. */
  readonly progressMilliseconds?: number | undefined
}

export function watchMethod(parts: WatchParts): [path: string, method: StreamMethod] {
  return [PATH, (call) => new WatchStream(parts, call).serve()]
}

interface Watch {
  readonly watcher: Watcher
  readonly sender: EventSender
  readonly progress: boolean
}

/** The watches of one client's stream. */
class WatchStream {
  readonly #parts: WatchParts
  readonly #call: CallStream
  readonly #watches = new Map<number, Watch>()
  readonly #progressMilliseconds: number
  #nextId = 0
  #progressing = false
  /** From then on it says nothing of how far its watches are: some may have been given up on the way. */
  #ended = false
  #failure: ((error: unknown) => void) | undefined

  constructor(parts: WatchParts, call: CallStream) {
    this.#parts = parts
    this.#call = call
    this.#progressMilliseconds = parts.progressMilliseconds ?? 10 * 60_000
  }

  /** Until the client ends it. Rejects when a watch cannot go on. */
  async serve(): Promise<void> {
    const timer = setInterval(() => this.#tellProgress(), Math.min(this.#progressMilliseconds / 4, 30_000))
    const failed = new Promise<never>((_, reject) => (this.#failure = reject))
    try {
      await Promise.race([this.#requests(), failed])
    } finally {
      clearInterval(timer)
      this.#ended = true
      for (const { watcher } of this.#watches.values()) watcher.end()
      this.#watches.clear()
    }
  }

  async #requests(): Promise<void> {
    for await (const message of this.#call) {
      const { createRequest, cancelRequest, progressRequest } = decode('WatchRequest', message)
      if (createRequest) await this.#create(createRequest)
      else if (cancelRequest) await this.#cancel(cancelRequest.watchId.toNumber())
      else if (progressRequest && !this.#progressing) void this.#progress()
    }
  }

  async #create(fields: RequestFields['WatchCreateRequest']): Promise<void> {
    const { member, hub } = this.#parts
    const [from, to] = interval(text(fields.key), text(fields.rangeEnd))
    const wanted = fields.watchId.toNumber()
    const refusal = this.#refusal(from, to, wanted)
    const id = refusal === undefined ? this.#idFor(wanted) : NO_WATCH
    const { revision } = hub
    const created = { header: member.header(revision), watchId: id, created: true }
    if (refusal !== undefined) {
      await this.#call.send(encode('WatchResponse', { ...created, canceled: true, cancelReason: refusal }))
      return
    }
    const startRevision = fields.startRevision.toNumber()
    const spec = {
      from,
      to,
      startRevision: startRevision > 0 ? startRevision : revision + 1,
      previous: fields.prevKv,
      without: new Set(fields.filters.map((filter) => (filter === 0 ? 'put' : 'delete'))),
    }
    const sender = new EventSender(this.#call, member, id, fields.fragment)
    const watcher = new Watcher(spec, member, hub, {
      send: (upTo, events, more) => sender.send(upTo, events, more),
      compacted: (compactRevision) => this.#compacted(id, compactRevision),
      failed: (error) => {
        this.#ended = true
        this.#failure?.(error)
      },
    })
    this.#watches.set(id, { watcher, sender, progress: fields.progressNotify })
    await this.#call.send(encode('WatchResponse', created))
    if (spec.startRevision < hub.compacted) {
      watcher.end()
      await this.#compacted(id, hub.compacted)
      return
    }
    watcher.start()
  }

  #refusal(from: string, to: string | undefined, wanted: number): string | undefined {
    if (to !== undefined && from >= to) return 'mvcc: watcher range is empty'
    if (wanted !== 0 && this.#watches.has(wanted))
      return 'mvcc: duplicate watch ID provided on the WatchStream'
    if (this.#watches.size >= WATCHES_MAX) return `etcdserver: more than ${WATCHES_MAX} watches on one stream`
    return undefined
  }

  #idFor(wanted: number): number {
    if (wanted !== 0) return wanted
    while (this.#watches.has(this.#nextId)) this.#nextId++
    return this.#nextId++
  }

  async #cancel(id: number): Promise<void> {
    const found = this.#watches.get(id)
    if (found === undefined) return
    found.watcher.end()
    found.sender.end()
    this.#watches.delete(id)
    const { member, hub } = this.#parts
    await this.#call.send(
      encode('WatchResponse', { header: member.header(hub.revision), watchId: id, canceled: true }),
    )
  }

  async #compacted(id: number, compactRevision: number): Promise<void> {
    this.#watches.get(id)?.sender.end()
    this.#watches.delete(id)
    const header = this.#parts.member.header(0)
    await this.#call.send(encode('WatchResponse', { header, watchId: id, canceled: true, compactRevision }))
  }

  /** Says how far all watches of the stream are, once they are there: also those that begin while it waits for others. */
  async #progress(): Promise<void> {
    const { member, hub } = this.#parts
    const { revision } = hub
    this.#progressing = true
    const there = new Set<Watcher>()
    for (let waiting = this.#besides(there); waiting.length > 0; waiting = this.#besides(there)) {
      await Promise.all(waiting.map((watcher) => watcher.reached(revision)))
      for (const watcher of waiting) there.add(watcher)
    }
    this.#progressing = false
    const isBehind = [...this.#watches.values()].some(({ watcher }) => watcher.first > revision + 1)
    if (this.#ended || isBehind) return
    await this.#call.send(encode('WatchResponse', { header: member.header(revision), watchId: NO_WATCH }))
  }

  #besides(there: ReadonlySet<Watcher>): readonly Watcher[] {
    return [...this.#watches.values()].map(({ watcher }) => watcher).filter((each) => !there.has(each))
  }

  #tellProgress(): void {
    const { member, hub } = this.#parts
    const now = performance.now()
    for (const [id, { watcher, progress }] of this.#watches) {
      if (!progress || !watcher.current || now - watcher.lastSent < this.#progressMilliseconds) continue
      if (watcher.first > hub.revision + 1) continue
      watcher.lastSent = now
      void this.#call.send(encode('WatchResponse', { header: member.header(hub.revision), watchId: id }))
    }
  }
}

/** No key: from the first on. No range end: the key alone. */
function interval(key: string, rangeEnd: string): readonly [from: string, to: string | undefined] {
  const from = key === '' ? '\0' : key
  if (rangeEnd === '') return [from, `${from}\0`]
  return [from, rangeEnd === '\0' ? undefined : rangeEnd]
}
