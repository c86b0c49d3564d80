import { describe } from '../../log/raft/describe.ts'
import type { Message } from '../../log/raft/types.ts'

const prime = 16_777_619

/** A running hash (FNV-1a, 32 bits) over everything that happens, and the text of it when asked for. */
export class Trace {
  readonly lines: string[] = []
  readonly #keepsLines: boolean
  readonly #hashes = new Map<string, number>()
  #hash = 0x811c9dc5

  constructor(keepsLines: boolean) {
    this.#keepsLines = keepsLines
  }

  get hash(): string {
    return (this.#hash >>> 0).toString(16).padStart(8, '0')
  }

  /** `what` has a `#` in the place of each number; there must be few of them. */
  add(time: number, what: string, ...numbers: readonly number[]): void {
    this.#mix(time)
    this.#mix(this.#hashOf(what))
    for (const number of numbers) this.#mix(number)
    if (!this.#keepsLines) return
    let position = 0
    const text = what.replaceAll('#', () => `${numbers[position++]}`)
    this.lines.push(`${time}  ${text}`)
  }

  /** A line for people alone: what it stands for is in the hash by what comes of it. */
  note(text: () => string): void {
    if (this.#keepsLines) this.lines.push(text())
  }

  message(time: number, what: 'receives' | 'lost' | 'cut', message: Message): void {
    this.#mix(time)
    this.#mix(what.charCodeAt(0))
    this.#mix(message.from * 8 + message.to)
    this.#mix(message.term)
    for (const number of fieldsOf(message)) this.#mix(number)
    if (this.#keepsLines) {
      this.lines.push(`${time}  ${what === 'receives' ? '' : `${what} `}${describe(message)}`)
    }
  }

  #hashOf(what: string): number {
    const known = this.#hashes.get(what)
    if (known !== undefined) return known
    let hash = 0
    for (let position = 0; position < what.length; position += 1) {
      hash = Math.imul(hash ^ what.charCodeAt(position), prime)
    }
    this.#hashes.set(what, hash)
    return hash
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
