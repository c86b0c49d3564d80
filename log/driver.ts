import { LogError } from './log.ts'
import type { Effects } from './raft/effects.ts'
import type { Raft } from './raft/raft.ts'
import type { Message } from './raft/types.ts'
import type { LogStore } from './storage/store.ts'

interface DriverPorts {
  readonly send: (message: Message) => void
  /** What the effects mean for those above the core, once writes and messages are on their way. */
  readonly performed: (effects: Effects) => void
  /** Something that must not happen did, such as a broken invariant: the member must stop. What callers are told. */
  readonly failed: (error: unknown) => LogError
}

/**
 * Drives the pure core: takes its effects, writes and sends in the order that durability asks for, and reports what
 * was written. What happens in one turn of the event loop goes into one write and one round of messages.
 */
export class Driver {
  readonly #raft: Raft
  readonly #store: LogStore
  readonly #ports: DriverPorts
  /** Messages that wait for writes under way, one list a write, in order. */
  readonly #heldBack: Message[][] = []
  #scheduled = false
  #processing = false
  #stopped = false

  constructor(raft: Raft, store: LogStore, ports: DriverPorts) {
    this.#raft = raft
    this.#store = store
    this.#ports = ports
  }

  /** Changes the core, then performs what comes of it in this turn of the event loop. Does nothing once stopped. */
  run(action: () => void): void {
    this.#guard(action)
    this.#schedule()
  }

  /** As `run`, at once: for what must not wait. */
  runNow(action: () => void): void {
    this.#guard(() => {
      action()
      this.#process()
    })
  }

  /** As `run`, with a result. LogErrors are the caller's; anything else stops the member. */
  call<T>(action: () => T): T {
    try {
      return action()
    } catch (error) {
      if (error instanceof LogError && error.code !== 'STORAGE') throw error
      throw this.#ports.failed(error)
    } finally {
      this.#schedule()
    }
  }

  /** Nothing more is taken from the core, written or sent. */
  stop(): void {
    this.#stopped = true
  }

  #schedule(): void {
    if (this.#scheduled || this.#stopped) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#guard(() => this.#process())
    })
  }

  #guard(action: () => void): void {
    if (this.#stopped) return
    try {
      action()
    } catch (error) {
      this.#ports.failed(error)
    }
  }

  #process(): void {
    if (this.#processing) return
    this.#processing = true
    try {
      for (let effects = this.#raft.take(); effects !== null; effects = this.#raft.take()) {
        this.#perform(effects)
        if (this.#stopped) return
      }
    } finally {
      this.#processing = false
    }
  }

  #perform(effects: Effects): void {
    const { write, messagesNow, messagesAfterSync } = effects
    this.#send(messagesNow)
    const lastHeldBack = this.#heldBack.at(-1)
    if (write !== null) {
      const heldBack = [...messagesAfterSync]
      this.#heldBack.push(heldBack)
      this.#store.append(write, () => {
        this.#heldBack.shift()
        this.#guard(() => {
          this.#raft.persisted(write)
          this.#send(heldBack)
        })
        queueMicrotask(() => this.#guard(() => this.#process()))
      })
    } else if (lastHeldBack !== undefined) {
      lastHeldBack.push(...messagesAfterSync)
    } else {
      this.#send(messagesAfterSync)
    }
    this.#ports.performed(effects)
  }

  #send(messages: readonly Message[]): void {
    for (const message of messages) this.#ports.send(message)
  }
}
