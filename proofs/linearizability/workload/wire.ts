import type { Comparison, KeyValue, KvInput, KvOutput, Part, PartAnswer, Txn } from '../checker/operations.ts'
import type { Message, Method } from './etcd_client.ts'
import type { Look } from './generate.ts'

/** A request of the etcd API, and how its answer is read. */
export interface Request<Output> {
  readonly method: Method
  readonly fields: object
  readonly read: (message: Message) => Output
}

export interface Found {
  readonly revision: number
  readonly found: readonly KeyValue[]
}

const bytes = (text: string): Buffer => Buffer.from(text, 'latin1')
const text = (value: unknown): string =>
  value instanceof Uint8Array ? Buffer.from(value).toString('latin1') : ''
const list = (value: unknown): readonly Message[] => (Array.isArray(value) ? (value as Message[]) : [])

export function revisionOf(message: Message): number {
  return Number((message['header'] as Message | null)?.['revision'] ?? 0)
}

/** The id of the cluster that answered. */
export function clusterOf(message: Message): string {
  return String((message['header'] as Message | null)?.['clusterId'])
}

export function keyValueOf(message: Message): KeyValue {
  return {
    key: text(message['key']),
    value: text(message['value']),
    version: Number(message['version']),
    create: Number(message['createRevision']),
    mod: Number(message['modRevision']),
    lease: String(message['lease']),
  }
}

function methodOf(service: string, name: string, message = name): Method {
  return { method: `${service}/${name}`, request: `${message}Request`, response: `${message}Response` }
}

export function requestOf(input: KvInput): Request<KvOutput> {
  if (input.kind === 'txn') return txnRequest(input)
  const { lease } = input
  switch (input.kind) {
    case 'grant':
      return {
        method: methodOf('Lease', 'LeaseGrant'),
        fields: { ID: lease, TTL: input.ttlSeconds },
        read: (message) => ({ kind: 'granted', revision: revisionOf(message) }),
      }
    case 'revoke':
      return {
        method: methodOf('Lease', 'LeaseRevoke'),
        fields: { ID: lease },
        read: (message) => ({ kind: 'revoked', revision: revisionOf(message) }),
      }
    case 'keepalive':
      return {
        method: methodOf('Lease', 'LeaseKeepAlive'),
        fields: { ID: lease },
        read: (message) => ({
          kind: 'kept',
          revision: revisionOf(message),
          alive: Number(message['TTL']) > 0,
        }),
      }
    case 'inspect':
      return {
        method: methodOf('Lease', 'LeaseTimeToLive'),
        fields: { ID: lease, keys: true },
        read: (message) => ({
          kind: 'inspected',
          revision: revisionOf(message),
          alive: Number(message['TTL']) >= 0,
          keys: Array.isArray(message['keys']) ? message['keys'].map(text) : [],
        }),
      }
    case 'expire':
      throw new RangeError('no client makes a lease expire')
  }
}

export function lookRequest({ part, serializable, revision }: Look): Request<Found> {
  return {
    method: methodOf('KV', 'Range', 'Range'),
    fields: { ...interval(part), serializable, revision },
    read: (message) => ({ revision: revisionOf(message), found: list(message['kvs']).map(keyValueOf) }),
  }
}

/** A part alone is a request of its own kind. */
function txnRequest({ compare, success, failure }: Txn): Request<KvOutput> {
  const [only, ...others] = success
  if (compare.length === 0 && others.length === 0 && only !== undefined) return singleRequest(only)
  return {
    method: methodOf('KV', 'Txn'),
    fields: {
      compare: compare.map(comparison),
      success: success.map(operation),
      failure: failure.map(operation),
    },
    read: (message) => {
      const succeeded = message['succeeded'] === true
      const parts = succeeded ? success : failure
      const responses = list(message['responses'])
      const answers = parts.map((part, index) => answerOf(part, responseIn(responses[index], part)))
      return { kind: 'txn', revision: revisionOf(message), succeeded, answers }
    },
  }
}

const names = { get: 'Range', put: 'Put', delete: 'DeleteRange' } as const
const operationNames = { get: 'requestRange', put: 'requestPut', delete: 'requestDeleteRange' } as const
const responseNames = { get: 'responseRange', put: 'responsePut', delete: 'responseDeleteRange' } as const

function singleRequest(part: Part): Request<KvOutput> {
  return {
    method: methodOf('KV', names[part.kind]),
    fields: fieldsOf(part),
    read: (message) => ({
      kind: 'txn',
      revision: revisionOf(message),
      succeeded: true,
      answers: [answerOf(part, message)],
    }),
  }
}

function operation(part: Part): object {
  return { [operationNames[part.kind]]: fieldsOf(part) }
}

function responseIn(response: Message | undefined, { kind }: Part): Message {
  const found = response?.[responseNames[kind]]
  if (typeof found !== 'object' || found === null) throw new Error(`a transaction's ${kind} was not answered`)
  return found as Message
}

function fieldsOf(part: Part): object {
  switch (part.kind) {
    case 'get':
      return interval(part)
    case 'put': {
      const { key, value, lease, previous } = part
      return { key: bytes(key), value: bytes(value), lease, prevKv: previous }
    }
    case 'delete':
      return { ...interval(part), prevKv: part.previous }
  }
}

function interval({ key, end }: { readonly key: string; readonly end?: string }): object {
  return end === undefined ? { key: bytes(key) } : { key: bytes(key), rangeEnd: bytes(end) }
}

function answerOf({ kind }: Part, message: Message): PartAnswer {
  switch (kind) {
    case 'get':
      return { kind, found: list(message['kvs']).map(keyValueOf) }
    case 'put': {
      const previous = message['prevKv']
      return { kind, previous: previous ? keyValueOf(previous as Message) : undefined }
    }
    case 'delete':
      return { kind, deleted: Number(message['deleted']), previous: list(message['prevKvs']).map(keyValueOf) }
  }
}

const targets = {
  version: { target: 0, field: 'version' },
  create: { target: 1, field: 'createRevision' },
  mod: { target: 2, field: 'modRevision' },
  value: { target: 3, field: 'value' },
} as const

function comparison({ key, target, operand }: Comparison): object {
  const { target: number, field } = targets[target]
  const value = typeof operand === 'string' ? bytes(operand) : operand
  return { key: bytes(key), result: 0, target: number, [field]: value }
}
