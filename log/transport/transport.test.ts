import { Client, credentials, type Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { afterEach, expect, test } from 'vitest'
import type { LogStatus, MemberStatus } from '../log.ts'
import type {
  AppendRequest,
  AppendResponse,
  Message,
  ProbeRequest,
  ProbeResponse,
  VoteRequest,
  VoteResponse,
} from '../raft/types.ts'
import type { BlockPart } from '../storage/block.ts'
import { eventually } from '../test-cluster.ts'
import { callMetadata, type PeerIdentity } from './authentication.ts'
import { fetchBlock } from './blocks.ts'
import { messageBytesMax } from './limits.ts'
import { peerService } from './messages.ts'
import { chainfireService, type MemberListResponse, type StatusResponse } from './public.ts'
import { startTransport } from './start.ts'
import type { Transport } from './transport.ts'

const secret = 'the secret'
const closers: (() => void | Promise<void>)[] = []

afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})

interface Started {
  readonly transport: Transport
  readonly port: number
  readonly received: Message[]
  readonly warnings: string[]
}

const clusterStatus: LogStatus = {
  clusterId: 'cluster-a',
  memberId: 2,
  term: 7,
  leader: 1,
  standing: 'voter',
  transferee: 0,
  waitsFor: '',
  role: 'pre-candidate',
  lastIndex: 2 ** 40,
  commitIndex: 11,
  members: [{ id: 1, name: 'one', peerAddress: '127.0.0.1:1', clientAddress: '127.0.0.1:2' }],
  sizeBytes: 5,
}

async function start(
  memberId: number,
  ports: Readonly<Record<number, number>>,
  port = 0,
  answer?: (message: Message, transport: Transport) => void,
): Promise<Started> {
  const members: MemberStatus[] = [1, 2, 3].map((id) => ({
    id,
    name: `member-${id}`,
    peerAddress: `127.0.0.1:${ports[id] ?? 1}`,
    clientAddress: '',
  }))
  const received: Message[] = []
  const warnings: string[] = []
  const transport = await startTransport(
    {
      clusterId: 'cluster-a',
      clusterSecret: secret,
      memberId,
      members,
      listen: { host: '127.0.0.1', port },
      warn: (text) => warnings.push(text),
    },
    1000,
    {
      block,
      deliver: (message) => {
        received.push(message)
        answer?.(message, transport)
      },
      status: () => clusterStatus,
    },
  )
  closers.push(() => transport.close())
  return { transport, port: transport.port, received, warnings }
}

let blockHeldBy: Promise<void> = Promise.resolve()

/** One block, in two parts, that begins with entry 1. */
async function* block(firstIndex: number): AsyncGenerator<BlockPart> {
  if (firstIndex !== 1) throw new RangeError(`no block begins with entry ${firstIndex}`)
  yield { previousChain: Buffer.from('before'), previousChecksum: 2 ** 32 - 1, records: Buffer.from('some') }
  await blockHeldBy
  yield { previousChain: Buffer.alloc(0), previousChecksum: 0, records: Buffer.alloc(1024 * 1024, 'x') }
}

async function partsOf({ transport }: Started, peer: number, firstIndex: number): Promise<BlockPart[]> {
  const parts: BlockPart[] = []
  for await (const part of transport.fetchBlock(peer, firstIndex, new AbortController().signal))
    parts.push(part)
  return parts
}

function appendRequest(change: Partial<AppendRequest> = {}): AppendRequest {
  return {
    type: 'append_request',
    from: 1,
    to: 2,
    term: 3,
    previousIndex: 4,
    previousTerm: 2,
    entries: [
      { index: 5, term: 3, kind: 'noop', payload: Buffer.alloc(0) },
      { index: 6, term: 3, kind: 'data', payload: Buffer.from('payload') },
    ],
    commit: 2 ** 45,
    readTag: 9,
    timeoutNow: true,
    ...change,
  }
}

const voteRequest: VoteRequest = {
  type: 'vote_request',
  from: 1,
  to: 2,
  term: 3,
  preVote: true,
  transfer: false,
  lastIndex: 4,
  lastTerm: 2,
}

const voteResponse: VoteResponse = {
  type: 'vote_response',
  from: 2,
  to: 1,
  term: 3,
  preVote: true,
  granted: true,
}

const appendResponse: AppendResponse = {
  type: 'append_response',
  from: 2,
  to: 1,
  term: 3,
  success: false,
  index: 4,
  hintIndex: 2,
  hintTerm: 1,
  readTag: 9,
  recovery: 2 ** 47 + 1,
  neededTerm: 4,
}

const probeRequest: ProbeRequest = { type: 'probe_request', from: 1, to: 2, term: 3, nonce: 2 ** 47 + 1 }

const probeResponse: ProbeResponse = {
  type: 'probe_response',
  from: 2,
  to: 1,
  term: 3,
  nonce: 2 ** 47 + 1,
  standing: 'founding',
  untouched: true,
  originChecksum: 2 ** 32 - 1,
}

/** A member as the transport sees it: answers what it is asked. */
function answering(message: Message, transport: Transport): void {
  if (message.type === 'append_request') transport.send(appendResponse)
  if (message.type === 'vote_request') transport.send(voteResponse)
  if (message.type === 'probe_request') transport.send(probeResponse)
}

test('every message arrives as it was sent, and every answer finds its way back', async () => {
  const two = await start(2, {}, 0, answering)
  const one = await start(1, { 2: two.port })
  one.transport.send(appendRequest())
  one.transport.send(voteRequest)
  one.transport.send(probeRequest)
  await eventually('answers', () => one.received.length === 3)
  const plain = two.received
    .map((message) =>
      message.type === 'append_request'
        ? {
            ...message,
            entries: message.entries.map((entry) => ({ ...entry, payload: Buffer.from(entry.payload) })),
          }
        : message,
    )
    .sort((a, b) => a.type.localeCompare(b.type))
  const appended = two.received.find(({ type }) => type === 'append_request') as AppendRequest
  for (const { payload } of appended.entries) expect(payload).toBeInstanceOf(Uint8Array)
  expect(plain).toEqual([appendRequest(), probeRequest, voteRequest])
  const answers = [...one.received].sort((a, b) => a.type.localeCompare(b.type))
  expect(answers).toEqual([appendResponse, probeResponse, voteResponse])
})

test('a peer that is down is reported once, and reached again when it is back', async () => {
  const first = await start(2, {}, 0, answering)
  const one = await start(1, { 2: first.port })
  one.transport.send(appendRequest())
  await eventually('an answer', () => one.received.length === 1)
  await first.transport.close()
  await eventually('the warning', () => one.warnings.length > 0)
  for (let count = 0; count < 100; count += 1) {
    one.transport.send(appendRequest())
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
  expect(one.warnings.length).toBeLessThanOrEqual(3)
  const second = await start(2, {}, first.port, answering)
  const before = one.received.length
  await eventually('an answer of the restarted peer', () => {
    one.transport.send(appendRequest())
    return one.received.length > before
  })
  expect(second.received.length).toBeGreaterThan(0)
})

function client(port: number): Client {
  const made = new Client(`127.0.0.1:${port}`, credentials.createInsecure(), {
    'grpc.max_send_message_length': -1,
  })
  closers.push(() => made.close())
  return made
}

function identity(change: Partial<PeerIdentity> = {}): PeerIdentity {
  return {
    clusterId: 'cluster-a',
    clusterSecret: secret,
    memberId: 1,
    peers: [2, 3],
    certificates: false,
    ...change,
  }
}

async function vote(
  port: number,
  message: VoteRequest,
  metadata: Metadata,
): Promise<ServiceError | VoteResponse> {
  const { path, requestSerialize, responseDeserialize } = peerService.vote
  return new Promise((resolve) => {
    client(port).makeUnaryRequest(
      path,
      requestSerialize,
      responseDeserialize,
      message,
      metadata,
      { deadline: Date.now() + 5000 },
      (error, response) => resolve(error ?? response ?? voteResponse),
    )
  })
}

async function streamError(
  port: number,
  messages: AppendRequest[],
  metadata: Metadata,
): Promise<ServiceError> {
  const { path, requestSerialize, responseDeserialize } = peerService.appendEntries
  const call = client(port).makeBidiStreamRequest(path, requestSerialize, responseDeserialize, metadata)
  call.on('data', () => undefined)
  return new Promise((resolve) => {
    call.on('error', resolve)
    for (const message of messages) call.write(message)
  })
}

test('misdelivered and unauthenticated calls are refused, each with its code, and reach nobody', async () => {
  const two = await start(2, {}, 0, answering)
  const cases: [PeerIdentity, number, status][] = [
    [identity({ clusterSecret: 'another' }), 2, status.UNAUTHENTICATED],
    [identity({ clusterSecret: '' }), 2, status.UNAUTHENTICATED],
    [identity({ clusterId: 'cluster-b' }), 2, status.FAILED_PRECONDITION],
    [identity(), 3, status.FAILED_PRECONDITION],
    [identity({ memberId: 9 }), 2, status.FAILED_PRECONDITION],
    [identity({ memberId: 2 }), 2, status.FAILED_PRECONDITION],
  ]
  for (const [who, to, code] of cases) {
    expect(await vote(two.port, voteRequest, callMetadata(who, to))).toMatchObject({ code })
    expect(await streamError(two.port, [], callMetadata(who, to))).toMatchObject({ code })
  }
  const metadata = callMetadata(identity(), 2)
  const { INVALID_ARGUMENT } = status
  expect(await vote(two.port, { ...voteRequest, from: 3 }, metadata)).toMatchObject({
    code: INVALID_ARGUMENT,
  })
  expect(await streamError(two.port, [appendRequest({ to: 3 })], metadata)).toMatchObject({
    code: INVALID_ARGUMENT,
  })
  expect(two.received).toEqual([])
  expect(await vote(two.port, voteRequest, metadata)).toEqual(voteResponse)
})

test('a message beyond the limit, and one that is no message, break their stream and nothing else', async () => {
  const two = await start(2, {}, 0, answering)
  const payload = Buffer.alloc(messageBytesMax + 1)
  const oversize = appendRequest({ entries: [{ index: 5, term: 3, kind: 'data', payload }] })
  const metadata = callMetadata(identity(), 2)
  const { RESOURCE_EXHAUSTED, INTERNAL } = status
  expect(await streamError(two.port, [oversize], metadata)).toMatchObject({ code: RESOURCE_EXHAUSTED })
  const garbage = await new Promise<ServiceError>((resolve) => {
    const call = client(two.port).makeBidiStreamRequest(
      peerService.appendEntries.path,
      (bytes: Buffer) => bytes,
      (bytes: Buffer) => bytes,
      metadata,
    )
    call.on('data', () => undefined)
    call.on('error', resolve)
    call.write(Buffer.from([0xff, 0xff, 0xff]))
  })
  expect(garbage).toMatchObject({ code: INTERNAL })
  expect(two.received).toEqual([])
  expect(await vote(two.port, voteRequest, metadata)).toEqual(voteResponse)
})

test('what is sent to a peer that takes nothing is bounded: the rest is dropped', async () => {
  const two = await start(2, {})
  const one = await start(1, { 2: two.port })
  const payload = Buffer.alloc(1024 * 1024)
  const large = appendRequest({ entries: [{ index: 5, term: 3, kind: 'data', payload }] })
  for (let count = 0; count < 200; count += 1) one.transport.send(large)
  await eventually('what was queued', () => two.received.length >= 32)
  one.transport.send(appendRequest({ term: 99 }))
  await eventually('the last', () => two.received.some(({ term }) => term === 99))
  expect(two.received.length).toBeLessThanOrEqual(34)
})

test('a block comes in its parts, one to a peer at a time, to members alone', async () => {
  const two = await start(2, {})
  const one = await start(1, { 2: two.port })
  const parts = await partsOf(one, 2, 1)
  expect(parts.map(({ records }) => records.length)).toEqual([4, 1024 * 1024])
  expect(Buffer.from(parts[0]?.previousChain ?? []).toString()).toBe('before')
  expect(parts[0]?.previousChecksum).toBe(2 ** 32 - 1)
  await expect(partsOf(one, 2, 2)).rejects.toThrow('NOT_FOUND: no block begins with entry 2')
  expect(() => one.transport.fetchBlock(9, 1, new AbortController().signal)).toThrow('is no peer')
  const refused = async (who: PeerIdentity): Promise<void> => {
    for await (const part of fetchBlock(client(two.port), who, 2, 1, new AbortController().signal))
      expect(part).toBeUndefined()
  }
  await expect(refused(identity({ clusterSecret: 'another' }))).rejects.toThrow('UNAUTHENTICATED')
  await expect(refused(identity({ clusterId: 'cluster-b' }))).rejects.toThrow('FAILED_PRECONDITION')
  const held = Promise.withResolvers<void>()
  blockHeldBy = held.promise
  const first = partsOf(one, 2, 1)
  await expect(partsOf(one, 2, 1)).rejects.toThrow('RESOURCE_EXHAUSTED')
  held.resolve()
  expect(await first).toHaveLength(2)
})

test('anyone may ask for the members and the status', async () => {
  const two = await start(2, {})
  const ask = <Response>(method: { path: string; responseDeserialize: (bytes: Buffer) => Response }) =>
    new Promise<Response>((resolve, reject) => {
      client(two.port).makeUnaryRequest(
        method.path,
        () => Buffer.alloc(0),
        method.responseDeserialize,
        {},
        (error, response) =>
          response === undefined ? reject(error ?? new Error('nothing')) : resolve(response),
      )
    })
  const members: MemberListResponse = await ask(chainfireService.memberList)
  expect(JSON.parse(JSON.stringify(members))).toEqual({
    clusterId: 'cluster-a',
    members: clusterStatus.members,
  })
  const known: StatusResponse = await ask(chainfireService.status)
  expect(JSON.parse(JSON.stringify(known))).toEqual({
    clusterId: 'cluster-a',
    memberId: 2,
    term: '7',
    leader: 1,
    role: 'ROLE_PRE_CANDIDATE',
    lastIndex: String(2 ** 40),
    commitIndex: '11',
    sizeBytes: '5',
  })
})
