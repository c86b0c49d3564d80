/** A header as it came, and whether a call may have it (RFC 9113 §8.2). */
export interface Field {
  readonly name: string
  readonly value: string
  readonly valid: boolean
}

/** What a header block can be: the head of a request, the fields after its data, or neither of them. */
export type BlockKind = 'request' | 'trailers' | 'malformed'

/** Of `connection` and its like, which belong to HTTP/1 (RFC 9113 §8.2.2). */
const forbidden: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])
const NAME = /^:?[!-9;-@[-~]+$/
const NOT_A_VALUE = /[\r\n]|^[ \t]|[ \t]$/

const METHOD = 1
const SCHEME = 2
const PATH = 4
const AUTHORITY = 8
const pseudoFields: Readonly<Record<string, number>> = {
  ':method': METHOD,
  ':scheme': SCHEME,
  ':path': PATH,
  ':authority': AUTHORITY,
}

export function fieldOf(name: string, value: string): Field {
  const valid =
    NAME.test(name) &&
    !NOT_A_VALUE.test(value) &&
    !value.includes('\0') &&
    !forbidden.has(name) &&
    (name !== 'te' || value === 'trailers') &&
    (name !== ':path' || value.startsWith('/') || value === '*')
  return { name, value, valid }
}

/** Says of a block's fields, one after the other, what they make together (RFC 9113 §8.3). */
export class BlockChecker {
  #pseudo = 0
  #regular = false
  #malformed = false
  #isConnect = false

  take({ name, value, valid }: Field): void {
    if (!valid) this.#malformed = true
    if (name.charCodeAt(0) !== 0x3a) {
      this.#regular = true
      return
    }
    const which = pseudoFields[name] ?? 0
    if (which === 0 || this.#regular || (this.#pseudo & which) !== 0) this.#malformed = true
    this.#pseudo |= which
    if (which === METHOD) this.#isConnect = value === 'CONNECT'
  }

  get kind(): BlockKind {
    if (this.#malformed) return 'malformed'
    if (this.#pseudo === 0) return 'trailers'
    const wanted = this.#isConnect ? METHOD | AUTHORITY : METHOD | SCHEME | PATH
    const unwanted = this.#isConnect ? SCHEME | PATH : 0
    return (this.#pseudo & wanted) === wanted && (this.#pseudo & unwanted) === 0 ? 'request' : 'malformed'
  }
}
