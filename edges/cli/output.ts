import { once } from 'node:events'
import type { Writable } from 'node:stream'
import { type Style, styleFor } from './style.ts'

export type Stream = Writable & { readonly isTTY?: boolean; readonly columns?: number }
export type Environment = Readonly<Record<string, string | undefined>>

/** The reader has closed the pipe: there is no one to write for. */
export class PipeClosed extends Error {
  constructor() {
    super('the reader has closed the pipe')
    this.name = 'PipeClosed'
  }
}

/** A stream to write to: it waits for a slow reader, and notices one that has gone, also after the last write. */
export class Output {
  readonly stream: Stream
  readonly style: Style
  #closed = false

  constructor(stream: Stream, env: Environment) {
    this.stream = stream
    this.style = styleFor(stream, env)
    stream.on('error', () => {
      this.#closed = true
    })
  }

  /** Throws PipeClosed once the reader has gone. */
  async write(text: string): Promise<void> {
    if (this.#closed) throw new PipeClosed()
    if (text !== '' && !this.stream.write(text)) await this.#drained()
    if (this.#closed) throw new PipeClosed()
  }

  /** Throws PipeClosed once the reader has gone. */
  async line(text = ''): Promise<void> {
    await this.write(`${text}\n`)
  }

  async #drained(): Promise<void> {
    try {
      await once(this.stream, 'drain')
    } catch {
      this.#closed = true
    }
  }
}
