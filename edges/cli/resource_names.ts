import type { Registry } from '../../domains/kernel/registry.ts'
import type { Cloud } from './cloud.ts'
import { CliError } from './exit_codes.ts'

const LOOKUPS_MAX = 200
const LOOKUPS_AT_ONCE = 16
/** The end of a uid tells one from another; its beginning is a time. */
const SHORT_UID = 8

/** The names behind uids, for a person to read. What may not or can not be read stays a shortened uid. */
export class ResourceNames {
  readonly #cloud: Cloud
  readonly #registry: Registry
  readonly #at: string | undefined
  readonly #names = new Map<string, string>()

  constructor(cloud: Cloud, registry: Registry, at: string | undefined) {
    this.#cloud = cloud
    this.#registry = registry
    this.#at = at
  }

  /** Looks up what is not known yet, a bounded number of them. */
  async learn(wanted: readonly { readonly kind: string; readonly uid: string }[]): Promise<void> {
    const unknown = new Map(
      wanted
        .filter(({ kind, uid }) => uid !== '' && this.#looksUp(kind) && !this.#names.has(`${kind} ${uid}`))
        .map((each) => [`${each.kind} ${each.uid}`, each]),
    )
    const queue = [...unknown.values()].slice(0, Math.max(0, LOOKUPS_MAX - this.#names.size))
    const worker = async (): Promise<void> => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) await this.#learn(next)
    }
    await Promise.all(Array.from({ length: Math.min(LOOKUPS_AT_ONCE, queue.length) }, worker))
  }

  name(kind: string, uid: string): string {
    if (!this.#looksUp(kind)) return uid
    return this.#names.get(`${kind} ${uid}`) ?? shortUid(uid)
  }

  /** Projects and organizations are referred to by name. */
  #looksUp(kind: string): boolean {
    return this.#registry.kinds.get(kind)?.resource.identity === 'uid'
  }

  async #learn({ kind, uid }: { readonly kind: string; readonly uid: string }): Promise<void> {
    const key = `${kind} ${uid}`
    this.#names.set(key, shortUid(uid))
    try {
      const { rows } = await this.#cloud.read({ kind, uid, at: this.#at, consistency: 'stale' })
      const name = rows[0]?.['name']
      if (typeof name === 'string') this.#names.set(key, name)
    } catch (error) {
      if (!(error instanceof CliError)) throw error
    }
  }
}

function shortUid(uid: string): string {
  return uid.length <= SHORT_UID + 1 ? uid : `…${uid.slice(-SHORT_UID)}`
}
