import { constants } from 'node:fs'
import { open } from 'node:fs/promises'
import { createConnection, type Socket } from 'node:net'
import { dirname } from 'node:path'
import { HostError } from '../errors.ts'

/** An asynchronous message of QEMU, such as SHUTDOWN or GUEST_PANICKED. */
export interface QmpEvent {
  readonly event: string
  readonly data: Readonly<Record<string, unknown>>
}

interface Waiting {
  resolve(value: unknown): void
  reject(error: HostError): void
  readonly command: string
  readonly timer: NodeJS.Timeout
}

const lineBytesMax = 1024 * 1024
const inFlightMax = 64

/**
 * A client of the QEMU Machine Protocol: one JSON document a line, commands answered by id, events in between.
 *
 * QEMU serves one client at a time on a monitor; a second one waits in the socket's backlog for its greeting.
 * Source: QEMU's docs/interop/qmp-spec.rst.
 */
export class QmpClient {
  readonly #socket: Socket
  readonly #waiting = new Map<number, Waiting>()
  readonly #onEvent: (event: QmpEvent) => void
  readonly closed: Promise<void>
  #greeting: { resolve(): void; reject(error: HostError): void } | undefined
  #buffered = ''
  #nextId = 1
  #open = true

  private constructor(socket: Socket, onEvent: (event: QmpEvent) => void) {
    this.#socket = socket
    this.#onEvent = onEvent
    this.closed = new Promise((resolve) => {
      socket.once('close', () => {
        this.#fail(new HostError('hostd/qmp_closed', 'QEMU closed the socket.'))
        resolve()
      })
    })
    socket.setEncoding('utf8')
    socket.on('data', (text: string) => this.#receive(text))
    socket.on('error', () => socket.destroy())
  }

  /**
   * Connects to the monitor on a unix socket, and negotiates capabilities.
   *
   * @throws HostError `hostd/qmp_closed` when nobody listens, `hostd/qmp_timeout`, `hostd/qmp_protocol`
   */
  static async connect(
    path: string,
    onEvent: (event: QmpEvent) => void,
    timeoutMilliseconds = 10_000,
  ): Promise<QmpClient> {
    const socket = await connectSocket(path)
    const client = new QmpClient(socket, onEvent)
    try {
      await client.#awaitGreeting(timeoutMilliseconds)
      await client.execute('qmp_capabilities', {}, timeoutMilliseconds)
      return client
    } catch (error) {
      client.close()
      throw error
    }
  }

  /**
   * Runs one command and gives what it returns.
   *
   * @throws HostError `hostd/qmp_error`, `hostd/qmp_timeout`, `hostd/qmp_closed`
   */
  execute(
    command: string,
    arguments_: Readonly<Record<string, unknown>> = {},
    timeoutMilliseconds = 10_000,
  ): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (!this.#open) return reject(new HostError('hostd/qmp_closed', `Cannot run ${command}.`))
      if (this.#waiting.size >= inFlightMax) {
        return reject(new HostError('hostd/qmp_timeout', `${inFlightMax} commands already wait for QEMU.`))
      }
      const id = this.#nextId++
      const timer = setTimeout(() => {
        this.#waiting.delete(id)
        reject(new HostError('hostd/qmp_timeout', `${command}, after ${timeoutMilliseconds} ms.`))
      }, timeoutMilliseconds)
      this.#waiting.set(id, { resolve, reject, command, timer })
      this.#socket.write(`${JSON.stringify({ execute: command, arguments: arguments_, id })}\n`)
    })
  }

  /** Lets go of the monitor; QEMU goes on. */
  close(): void {
    this.#socket.destroy()
  }

  #awaitGreeting(timeoutMilliseconds: number): Promise<void> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        reject(new HostError('hostd/qmp_timeout', `No greeting after ${timeoutMilliseconds} ms.`))
      }, timeoutMilliseconds)
      this.#greeting = {
        resolve: () => {
          clearTimeout(timer)
          resolve()
        },
        reject: (error) => {
          clearTimeout(timer)
          reject(error)
        },
      }
    })
  }

  #receive(text: string): void {
    this.#buffered += text
    let end = this.#buffered.indexOf('\n')
    while (end >= 0) {
      const line = this.#buffered.slice(0, end).trim()
      this.#buffered = this.#buffered.slice(end + 1)
      if (line !== '') this.#dispatch(line)
      end = this.#buffered.indexOf('\n')
    }
    if (this.#buffered.length > lineBytesMax) this.#abort(`A line is longer than ${lineBytesMax} bytes.`)
  }

  #dispatch(line: string): void {
    let message: Record<string, unknown>
    try {
      message = asRecord(JSON.parse(line))
    } catch {
      return this.#abort(`Not JSON: ${line.slice(0, 80)}`)
    }
    if (message['QMP'] !== undefined) {
      this.#greeting?.resolve()
    } else if (typeof message['event'] === 'string') {
      this.#onEvent({ event: message['event'], data: asRecord(message['data']) })
    } else if (typeof message['id'] === 'number') {
      this.#answer(message['id'], message)
    }
  }

  #answer(id: number, message: Record<string, unknown>): void {
    const waiting = this.#waiting.get(id)
    // An answer nobody waits for is that of a command whose time ran out.
    if (waiting === undefined) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    if (message['error'] === undefined) return waiting.resolve(message['return'])
    const description = JSON.stringify(asRecord(message['error'])['desc'])
    waiting.reject(new HostError('hostd/qmp_error', `${waiting.command}: ${description}`))
  }

  #abort(detail: string): void {
    this.#fail(new HostError('hostd/qmp_protocol', detail))
    this.#socket.destroy()
  }

  #fail(error: HostError): void {
    this.#open = false
    this.#greeting?.reject(error)
    for (const waiting of this.#waiting.values()) {
      clearTimeout(waiting.timer)
      waiting.reject(error)
    }
    this.#waiting.clear()
  }
}

/**
 * A unix socket's address holds 108 bytes (unix(7)), fewer than many a directory's path needs: the socket is reached
 * through a descriptor of its directory instead.
 */
async function connectSocket(path: string): Promise<Socket> {
  const unreachable = (cause: unknown): HostError => {
    return new HostError('hostd/qmp_closed', `Nobody listens on ${path}.`, { cause })
  }
  const directory = await open(dirname(path), constants.O_RDONLY | constants.O_DIRECTORY).catch(
    (cause: unknown) => {
      throw unreachable(cause)
    },
  )
  try {
    return await new Promise((resolve, reject) => {
      const socket = createConnection(`/proc/self/fd/${directory.fd}/${path.slice(dirname(path).length + 1)}`)
      socket.once('connect', () => resolve(socket))
      socket.once('error', (cause) => reject(unreachable(cause)))
    })
  } finally {
    await directory.close()
  }
}

function asRecord(value: unknown): Record<string, unknown> {
  return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {}
}
