/**
 * Plants a bug in a member: loaded into its process before its program (`node --import`), it changes the parts of the etcd API from the
 * outside. Which bug it is, if any, is in a file, so that bugs come and go while members run.
 */
import { readFileSync } from 'node:fs'
import type { Rejection } from '../../../domains/kernel/rejection.ts'
import type { Interval } from '../../../domains/kv/interval.ts'
import type { PutRequest } from '../../../domains/kv/model.ts'
import { CallStream } from '../../../edges/etcd/call_stream.ts'
import { HEAD_BYTES } from '../../../edges/etcd/frames.ts'
import { Member } from '../../../edges/etcd/member.ts'
import { decodeAny } from '../../../edges/etcd/messages.ts'
import { type LeaderCall, Router } from '../../../edges/etcd/router.ts'
import { Watcher } from '../../../edges/etcd/watcher.ts'
import { BUG_FILE, type BugName } from './names.ts'
import { StaleViews } from './stale_views.ts'

const LOOK_EVERY_MS = 20
/** How often a bug shows that need not show every time. */
const RATE = 0.1

const staleViews = new StaleViews()
const file = process.env[BUG_FILE]
let planted = ''
const look = (): void => {
  planted = file === undefined ? '' : readFileSync(file, 'utf8')
}
look()
setInterval(look, LOOK_EVERY_MS).unref()

const has = (bug: BugName): boolean => planted === bug
const sometimes = (bug: BugName): boolean => has(bug) && Math.random() < RATE

/** Puts something around a method of every instance of a class. */
function around<T extends object, K extends keyof T>(
  prototype: T,
  name: K,
  make: (original: T[K]) => T[K],
): void {
  prototype[name] = make(prototype[name])
}

around(
  Router.prototype,
  'lead',
  (lead) =>
    function <T>(this: Router, call: LeaderCall<T>) {
      const answered =
        has('stale-read') && call.path.endsWith('/Range') ? call.local() : lead.call(this, call)
      return answered as Promise<T | Uint8Array>
    },
)

around(
  Member.prototype,
  'read',
  (read) =>
    function <T>(
      this: Member,
      serializable: boolean,
      keys: readonly Interval[],
      reader: (view: Member['view']) => T,
    ) {
      return read.call(this, serializable || has('stale-read'), keys, reader) as Promise<T>
    },
)

around(
  Member.prototype,
  'header',
  (header) =>
    function (this: Member, revision) {
      return header.call(this, sometimes('revision-back') ? revision - 1 : revision)
    },
)

around(
  Member.prototype,
  'submit',
  (submit) =>
    function (this: Member, ...args) {
      const [command, data] = args
      if (command === 'Put' && has('lost-write'))
        return submitEarly(this, data as PutRequest, () => submit.call(this, ...args))
      const first = submit.call(this, ...args)
      if (command === 'Put' && sometimes('double-apply')) submit.call(this, ...args).catch(() => undefined)
      return first
    },
)

/** The short way of puts and gets leads, with a bug, the way that has it. */
around(
  Member.prototype,
  'put',
  (put) =>
    function (this: Member, request, settled) {
      if (!has('lost-write') && !has('double-apply') && !has('revision-back')) {
        put.call(this, request, settled)
        return
      }
      this.submit('Put', request, []).then(
        ({ result, revision: index }) => {
          const { revision } = this.header(result['revision'] as number)
          settled.committed({ ...result, revision }, index)
        },
        (why: unknown) => settled.undone(why as Rejection),
      )
    },
)

around(
  Member.prototype,
  'readNow',
  (readNow) =>
    function <T>(
      this: Member,
      serializable: boolean,
      reader: (view: Member['view']) => T,
      tell: (found: T) => void,
      fail: (error: unknown) => void,
    ) {
      const view = staleViews.of(this)
      const read = has('stale-hot-read') ? () => reader(view) : reader
      readNow.call(this, serializable || has('stale-read'), read, tell as (found: unknown) => void, fail)
    },
)

/** Says that it is done once it is decided. */
function submitEarly(member: Member, request: PutRequest, submit: () => ReturnType<Member['submit']>) {
  const revisionNow = (): number => member.view.progress.get('current')?.revision ?? 1
  const before = revisionNow()
  const previous = request.previous ? member.view.keys.get(request.key) : undefined
  const committed = submit()
  if (revisionNow() === before) return committed
  committed.catch(() => undefined)
  const result = { revision: revisionNow(), previous }
  return Promise.resolve({ revision: 0, history: '', result, duplicate: false, record: undefined })
}

around(
  Watcher.prototype,
  'offer',
  (offer) =>
    function (this: Watcher, revision, events) {
      if (!sometimes('dropped-event')) offer.call(this, revision, events)
    },
)

around(
  CallStream.prototype,
  'sendFramed',
  (send) =>
    async function (this: CallStream, parts) {
      await send.call(this, parts)
      if (!sometimes('repeated-event') || this.metadata[':path'] !== '/etcdserverpb.Watch/Watch') return
      const message = Buffer.concat(parts).subarray(HEAD_BYTES)
      if ((decodeAny('WatchResponse', message)['events'] as unknown[]).length > 0)
        await send.call(this, parts)
    },
)
