import { once } from 'node:events'
import { copyFile, readFile } from 'node:fs/promises'
import { connect } from 'node:tls'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import type { LogStatus } from '../../log/log.ts'
import type { AppendRequest, Message, VoteRequest } from '../../log/raft/types.ts'
import type { BlockPart } from '../../log/storage/block.ts'
import { WatchedTls } from '../../log/tls/watched.ts'
import { startTransport } from '../../log/transport/start.ts'
import type { Transport } from '../../log/transport/transport.ts'
import { until } from '../failover/until.ts'
import { EXPIRED_DAYS, type Paper, Papers } from './papers.ts'

const WAIT_MS = 10_000
const CLUSTER = 'cluster-a'
const closers: (() => void | Promise<void>)[] = []
let papers: Papers

beforeAll(async () => {
  papers = await Papers.make(CLUSTER)
})
afterEach(async () => {
  for (const close of closers.splice(0).reverse()) await close()
})
afterAll(() => papers.remove())

interface Member {
  readonly port: number
  readonly transport: Transport
  readonly tls: WatchedTls | undefined
  readonly received: Message[]
  readonly warnings: string[]
}

async function* block(): AsyncGenerator<BlockPart> {
  yield { previousChain: Buffer.alloc(32), previousChecksum: 0, records: Buffer.from('records') }
}

/** A member's transport, which answers every vote; it believes that every other member is at one port. */
async function start(memberId: number, paper: Paper | undefined, otherPort: number): Promise<Member> {
  const received: Message[] = []
  const warnings: string[] = []
  const warn = (text: string): void => {
    warnings.push(text)
  }
  const tls = paper === undefined ? undefined : await WatchedTls.open(paper, warn)
  if (tls !== undefined) closers.push(() => tls.close())
  const members = [1, 2, 3].map((id) => ({
    id,
    name: `member-${id}`,
    peerAddress: `127.0.0.1:${otherPort}`,
    clientAddress: '',
  }))
  const listen = { host: '127.0.0.1', port: 0 }
  const transport = await startTransport(
    { clusterId: CLUSTER, clusterSecret: 'secret', memberId, members, listen, tls, warn },
    WAIT_MS,
    {
      block,
      deliver: (message) => {
        received.push(message)
        if (message.type === 'vote_request')
          transport.send({
            type: 'vote_response',
            from: memberId,
            to: message.from,
            term: 3,
            preVote: true,
            granted: true,
          })
      },
      status: () => ({}) as LogStatus,
    },
  )
  closers.push(() => transport.close())
  return { port: transport.port, transport, tls, received, warnings }
}

function voteRequest(from: number, to: number): VoteRequest {
  return {
    type: 'vote_request',
    from,
    to,
    term: 3,
    preVote: true,
    transfer: false,
    lastIndex: 4,
    lastTerm: 2,
  }
}

function appendRequest(from: number, to: number): AppendRequest {
  return {
    type: 'append_request',
    from,
    to,
    term: 3,
    previousIndex: 4,
    previousTerm: 2,
    entries: [],
    commit: 4,
    readTag: 0,
    timeoutNow: false,
  }
}

async function expectAnswer(caller: Member, from: number, to: number): Promise<void> {
  await until('an answer', WAIT_MS, () => {
    caller.transport.send(voteRequest(from, to))
    return caller.received.length > 0 || undefined
  })
}

async function warned(member: Member, text: string): Promise<void> {
  await until(
    `a warning: ${text}; there are ${JSON.stringify(member.warnings)}`,
    WAIT_MS,
    () => member.warnings.some((warning) => warning.includes(text)) || undefined,
  )
}

describe('mutual TLS between members', () => {
  it('connects members that are who they say they are', async () => {
    const two = await start(2, await papers.member(2), 1)
    const one = await start(1, await papers.member(1), two.port)
    await expectAnswer(one, 1, 2)
    one.transport.send(appendRequest(1, 2))
    await until(
      'an append',
      WAIT_MS,
      () => two.received.some(({ type }) => type === 'append_request') || undefined,
    )
    expect([one.warnings, two.warnings]).toEqual([[], []])
  })

  it.each([
    [
      'the certificate of another member',
      () => papers.member(3),
      'of ultracloud://cluster-a/member/3, not of ultracloud://cluster-a/member/1',
    ],
    [
      'the certificate of a client',
      () => papers.client('someone'),
      'of ultracloud://cluster-a/client/someone, not of ultracloud://cluster-a/member/1',
    ],
  ])('refuses %s, on votes and on appends, with PERMISSION_DENIED', async (_, issue, message) => {
    const two = await start(2, await papers.member(2), 1)
    const one = await start(1, await issue(), two.port)
    one.transport.send(voteRequest(1, 2))
    await warned(one, `PERMISSION_DENIED: the certificate is ${message}`)
    one.warnings.length = 0
    const other = await start(1, await issue(), two.port)
    other.transport.send(appendRequest(1, 2))
    await warned(other, `PERMISSION_DENIED: the certificate is ${message}`)
    expect(two.received).toEqual([])
    const parts = other.transport.fetchBlock(2, 1, new AbortController().signal)
    await expect(parts[Symbol.asyncIterator]().next()).rejects.toThrow('PERMISSION_DENIED')
  })

  it.each([
    ['of an unknown authority', () => papers.impostor(1), 'it shows no certificate that holds'],
    ['that has expired', () => papers.member(1, { days: EXPIRED_DAYS }), 'CERT_HAS_EXPIRED'],
  ])('refuses a certificate %s in the handshake, and says why', async (_, issue, message) => {
    const two = await start(2, await papers.member(2), 1)
    const one = await start(1, await issue(), two.port)
    one.transport.send(voteRequest(1, 2))
    await warned(two, message)
    await warned(one, 'UNAVAILABLE')
    expect(two.received).toEqual([])
  })

  it('refuses a caller without a certificate in the handshake, with an alert, and says why', async () => {
    const two = await start(2, await papers.member(2), 1)
    const ca = await readFile(papers.caFile)
    const socket = connect({ host: '127.0.0.1', port: two.port, ca, ALPNProtocols: ['h2'] })
    const [error] = (await once(socket, 'error').catch((thrown: unknown) => [thrown])) as [
      NodeJS.ErrnoException,
    ]
    expect(error.code).toBe('ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED')
    await warned(two, 'peer port: 127.0.0.1: refused: it shows no certificate')
  })

  it('tells a caller that it has reached another member than it meant', async () => {
    const three = await start(3, await papers.member(3), 1)
    const one = await start(1, await papers.member(1), three.port)
    one.transport.send(voteRequest(1, 2))
    await warned(
      one,
      'the certificate is of ultracloud://cluster-a/member/3, not of ultracloud://cluster-a/member/2',
    )
    expect(three.received).toEqual([])
  })

  it('refuses plaintext, and says so', async () => {
    const two = await start(2, await papers.member(2), 1)
    const one = await start(1, undefined, two.port)
    one.transport.send(voteRequest(1, 2))
    await warned(two, 'refused: it does not speak TLS')
    await warned(one, 'UNAVAILABLE')
    expect(two.received).toEqual([])
  })

  it('tells a caller with TLS that the other side speaks plaintext', async () => {
    const two = await start(2, undefined, 1)
    const one = await start(1, await papers.member(1), two.port)
    one.transport.send(voteRequest(1, 2))
    await warned(one, 'it does not speak TLS there')
    expect(two.received).toEqual([])
  })

  it('refuses a certificate of a server that may only be a client’s', async () => {
    const two = await start(2, await papers.client('two'), 1)
    const one = await start(1, await papers.member(1), two.port)
    one.transport.send(voteRequest(1, 2))
    await warned(one, 'UNAVAILABLE')
    expect(one.warnings.join()).toMatch(/purpose/i)
    expect(two.received).toEqual([])
  })

  it('closes what an authority vouched for that is no longer trusted, and lets nobody in on its word again', async () => {
    const own = await Papers.make(CLUSTER)
    closers.push(() => own.remove())
    const old = await own.member(2)
    const two = await start(2, old, 1)
    const one = await start(1, await own.member(1), two.port)
    await expectAnswer(one, 1, 2)
    const impostor = await own.impostor(2)
    await copyFile(own.strangerFile, own.caFile)
    await copyFile(impostor.own.keyFile, old.own.keyFile)
    await copyFile(impostor.own.certificateFile, old.own.certificateFile)
    await two.tls?.look()
    await warned(two, 'closed: the authority that issued its certificate is no longer trusted')
    const before = two.received.length
    one.transport.send(voteRequest(1, 2))
    await warned(one, 'UNAVAILABLE')
    expect(two.received.length).toBe(before)
  })
})
