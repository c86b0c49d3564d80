import { type Environment, type Stream } from './output.ts'
import { type Style, styleFor } from './style.ts'
import { elapsed } from './times.ts'

const FRAMES = ['⠋', '⠙', '⠹', '⠸', '⠼', '⠴', '⠦', '⠧', '⠇', '⠏'] as const
const FRAME_MS = 100
const CLEAR_LINE = '\r\u001B[2K'

/** Something that takes a while. Exactly one of `done` and `fail` ends it; what comes after counts for nothing. */
export interface Step {
  /** Says more about what is under way. */
  update(detail: string): void
  /** It is done; `summary` is said instead of the step's text. */
  done(summary?: string): void
  fail(reason?: string): void
}

interface Running {
  readonly text: string
  readonly since: number
  detail: string
}

/**
 * Shows on stderr what takes long: one line that moves on a terminal, a line at its begin and end elsewhere, nothing when quiet.
 * Steps may overlap; the newest is the one that moves. `close` it when all is over.
 */
export class Progress {
  readonly #stream: Stream
  readonly #quiet: boolean
  readonly #moving: boolean
  readonly #style: Style
  readonly #running: Running[] = []
  #timer: NodeJS.Timeout | undefined
  #frame = 0
  #drawn = false

  constructor(stream: Stream, env: Environment, quiet = false) {
    this.#stream = stream
    this.#quiet = quiet
    this.#moving = stream.isTTY === true && env['TERM'] !== 'dumb'
    this.#style = styleFor(stream, env)
  }

  /** Begins a step. */
  step(text: string): Step {
    const running: Running = { text, since: performance.now(), detail: '' }
    this.#running.push(running)
    if (this.#moving) this.#draw()
    else this.#print(`.. ${text}`)
    return {
      update: (detail) => {
        if (detail === running.detail || !this.#running.includes(running)) return
        running.detail = detail
        if (this.#moving) this.#draw()
        else this.#print(`.. ${text}: ${detail}`)
      },
      done: (summary) => this.#end(running, this.#style.green(this.#moving ? '✓' : 'ok'), summary ?? text),
      fail: (reason) => {
        const message = reason === undefined ? text : `${text}: ${reason}`
        this.#end(running, this.#style.red(this.#moving ? '✗' : 'failed:'), message)
      },
    }
  }

  /** A step around some work: done when that is, failed when it throws. */
  async run<T>(text: string, work: (step: Step) => Promise<T>): Promise<T> {
    const step = this.step(text)
    try {
      const result = await work(step)
      step.done()
      return result
    } catch (error) {
      step.fail()
      throw error
    }
  }

  /** A line of its own between the steps. */
  note(text: string): void {
    this.#print(text)
  }

  /** Takes away what moves. Steps that have not ended say nothing more. */
  close(): void {
    this.#running.length = 0
    this.#erase()
    this.#stop()
  }

  #end(running: Running, mark: string, text: string): void {
    const index = this.#running.indexOf(running)
    if (index === -1) return
    this.#running.splice(index, 1)
    if (this.#running.length === 0) this.#stop()
    const time = this.#style.dim(`(${elapsed(performance.now() - running.since)})`)
    this.#print(`${mark} ${text} ${time}`)
  }

  #print(line: string): void {
    if (this.#quiet) return
    this.#erase()
    this.#stream.write(`${line}\n`)
    if (this.#moving) this.#draw()
  }

  #draw(): void {
    const running = this.#running.at(-1)
    if (this.#quiet || running === undefined) return
    const time = elapsed(performance.now() - running.since)
    const words = running.detail === '' ? running.text : `${running.text}: ${running.detail}`
    const room = Math.max(10, (this.#stream.columns ?? 80) - time.length - 6)
    const shown = words.length <= room ? words : `${words.slice(0, room - 1)}…`
    const mark = this.#style.cyan(FRAMES[this.#frame % FRAMES.length] as string)
    this.#stream.write(`${CLEAR_LINE}${mark} ${shown} ${this.#style.dim(time)}`)
    this.#drawn = true
    this.#timer ??= setInterval(() => {
      this.#frame += 1
      this.#draw()
    }, FRAME_MS).unref()
  }

  #erase(): void {
    if (!this.#drawn) return
    this.#stream.write(CLEAR_LINE)
    this.#drawn = false
  }

  #stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }
}
