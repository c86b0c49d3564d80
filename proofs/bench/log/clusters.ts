import { startEtcdServers } from './etcd.ts'
import type { Size, Subject } from './subject.ts'
import { startUltraCloud } from './ultracloud.ts'

type Both = readonly [ours: Subject, etcd: Subject]

/** Clusters of both kinds, as measures ask for them. */
export class Clusters implements AsyncDisposable {
  readonly #kept: boolean
  readonly #both = new Map<Size, Both>()

  /** `kept`: measures share them, which saves time, and shows nothing of a cluster that is new. */
  constructor(kept: boolean) {
    this.#kept = kept
  }

  /** Has something done with one cluster of each kind, with so many members each. */
  async with<T>(size: Size, use: (...both: Both) => Promise<T>): Promise<T> {
    const both = this.#both.get(size) ?? (await startBoth(size))
    if (this.#kept) this.#both.set(size, both)
    try {
      return await use(...both)
    } finally {
      if (!this.#kept) await closeBoth(both)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const both of this.#both.values()) await closeBoth(both)
    this.#both.clear()
  }
}

async function startBoth(size: Size): Promise<Both> {
  const ours = await startUltraCloud(size)
  try {
    return [ours, await startEtcdServers(size)]
  } catch (error) {
    await ours.close()
    throw error
  }
}

async function closeBoth(both: Both): Promise<void> {
  for (const subject of both) await subject.close()
}
