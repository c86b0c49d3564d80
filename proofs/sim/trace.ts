import { describe } from '../../log/raft/describe.ts'
import type { Message } from '../../log/raft/types.ts'

const prime = 16_777_619

/** A running hash (FNV-1a, 32 bits) over everything that happens, and the text of it when asked for. */
export class Trace {
  readonly lines: string[] = []
  readonly #keepsLines: boolean
  #hash = 0x811c9dc5

  constructor(keepsLines: boolean) {
    this.#keepsLines = keepsLines
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  /** `what` must be one of few constant words: it is hashed letter by letter. */
  add(time: number, what: string, ...numbers: readonly number[]): void {
    this.#mix(time)
    for (let position = 0; position < what.length; position += 1) this.#mix(what.charCodeAt(position))
    for (const number of numbers) this.#mix(number)
    if (this.#keepsLines) this.lines.push(`${time} ${what} ${numbers.join(' ')}`)
  }

  message(time: number, what: string, message: Message): void {
    this.#mix(time)
    this.#mix(what.charCodeAt(0))
    this.#mix(message.from * 8 + message.to)
    this.#mix(message.term)
    for (const number of fieldsOf(message)) this.#mix(number)
    if (this.#keepsLines) this.lines.push(`${time} ${what} ${describe(message)}`)
  }

  #mix(value: number): void {
    this.#hash = Math.imul(this.#hash ^ (value | 0), prime)
    this.#hash ^= this.#hash >>> 13
  }
}

function fieldsOf(message: Message): number[] {
  switch (message.type) {
    case 'vote_request':
      return [1, Number(message.preVote), Number(message.transfer), message.lastIndex, message.lastTerm]
    case 'vote_response':
      return [2, Number(message.preVote), Number(message.granted)]
    case 'append_request':
      return [3, message.previousIndex, message.entries.length, message.commit, message.readTag]
    case 'append_response':
      return [
        4,
        Number(message.success),
        message.index,
        message.hintIndex,
        message.hintTerm,
        message.readTag,
        message.recovery,
        message.neededTerm,
      ]
    case 'probe_request':
      return [5, message.nonce]
    case 'probe_response':
      return [6, message.nonce, message.standing.length, Number(message.untouched)]
  }
}
