import { setTimeout as sleep } from 'node:timers/promises'
import type { KvInput, KvOutput } from '../checker/operations.ts'
import type { Answer, EtcdClient } from './etcd_client.ts'
import { Generator, type Look } from './generate.ts'
import type { Groups } from './groups.ts'
import type { History } from './history.ts'
import type { Random } from './random.ts'
import { clusterOf, lookRequest, type Request, requestOf } from './wire.ts'

/** How long a client waits for an answer: some give up soon, and what they asked for takes effect later. */
const TIMEOUTS_MS = [400, 1_000, 3_000, 9_000] as const
/** After a request that could not be sent. */
const UNSENT_PAUSE_MS = 20

const RESOURCE_EXHAUSTED = 8
/** Of what was refused for certain, or whose outcome is not known; any other word is a surprise. */
const notKnown = [
  'etcdserver: request timed out',
  'etcdserver: request timed out, possibly due to previous leader failure',
  'etcdserver: request timed out, possibly due to connection lost',
  'etcdserver: server stopped',
  'etcdserver: no leader',
]

export interface ClientParts {
  readonly number: number
  /** One for each member. */
  readonly members: readonly EtcdClient[]
  readonly groups: Groups
  readonly history: History
  /** The id of the members' cluster. */
  readonly clusterId: string
  readonly random: Random
  /** Its pauses between operations, on the average. */
  readonly pauseMilliseconds: number
}

/** Does one operation after the other, each at a member picked anew, until it is told to stop. */
export class Client {
  readonly #parts: ClientParts
  readonly #generator: Generator
  readonly #ended: Promise<void>
  #stopping = false

  constructor(parts: ClientParts) {
    this.#parts = parts
    this.#generator = new Generator(parts.number, parts.random.fork())
    this.#ended = this.#run()
  }

  async stop(): Promise<void> {
    this.#stopping = true
    await this.#ended
  }

  async #run(): Promise<void> {
    const { random, groups, pauseMilliseconds } = this.#parts
    while (!this.#stopping) {
      const next = this.#generator.next(groups.pick(random))
      if (next.kind === 'look') await this.#look(next)
      else await this.#operate(next)
      await sleep(random.between(0, 2 * pauseMilliseconds))
    }
  }

  async #operate(input: KvInput): Promise<void> {
    const { history, number } = this.#parts
    const request = requestOf(input)
    const call = performance.now()
    const answer = await this.#ask(request)
    const output = answer.kind === 'answer' ? request.read(answer.message) : refusalIn(answer)
    if (output !== undefined) {
      history.done(number, call, input, output)
      this.#see(input, output)
    } else if (isCertain(answer)) history.failed += 1
    else {
      if (answer.kind === 'error' && !notKnown.includes(answer.text))
        history.surprises.push(`${request.method.method}: ${answer.code} ${answer.text}`)
      history.open(number, call, input)
    }
    if (answer.kind === 'unsent') await sleep(UNSENT_PAUSE_MS)
  }

  async #look(look: Look): Promise<void> {
    const { history, number } = this.#parts
    const request = lookRequest(look)
    const call = performance.now()
    const answer = await this.#ask(request)
    if (answer.kind === 'answer')
      history.looks.push({
        ...look,
        client: number,
        call,
        end: performance.now(),
        answer: request.read(answer.message),
      })
    else if (answer.kind === 'unsent') await sleep(UNSENT_PAUSE_MS)
  }

  async #ask(request: Request<unknown>): Promise<Answer> {
    const { random, members, history, clusterId } = this.#parts
    const answer = await random.pick(members).call(request.method, request.fields, random.pick(TIMEOUTS_MS))
    if (answer.kind === 'answer' && clusterOf(answer.message) !== clusterId)
      history.surprises.push(`${request.method.method} was answered by another cluster`)
    return answer
  }

  #see(input: KvInput, output: KvOutput): void {
    if (input.kind !== 'txn' || output.kind !== 'txn') return
    const parts = output.succeeded ? input.success : input.failure
    for (const [index, answer] of output.answers.entries()) {
      const part = parts[index]
      if (answer.kind === 'get') for (const found of answer.found) this.#generator.see(found.key, found)
      if (answer.kind === 'get' && part !== undefined && answer.found.length === 0)
        this.#generator.see(part.key, undefined)
    }
  }
}

function refusalIn(answer: Answer): KvOutput | undefined {
  if (answer.kind !== 'error') return undefined
  if (answer.text === 'etcdserver: requested lease not found')
    return { kind: 'refused', why: 'lease not found' }
  if (answer.text === 'etcdserver: lease already exists')
    return { kind: 'refused', why: 'lease already exists' }
  return undefined
}

/** Whether it has not happened, and will not. */
function isCertain(answer: Answer): boolean {
  return answer.kind === 'unsent' || (answer.kind === 'error' && answer.code === RESOURCE_EXHAUSTED)
}
