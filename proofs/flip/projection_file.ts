import { join } from 'node:path'
import type { Registry } from '../../domains/kernel/registry.ts'
import { eventProjections, projections } from '../../main/projections.ts'
import { entries } from '../../projections/kernel/past.ts'
import type { Calls } from '../../projections/kernel/protocol.ts'
import { read } from '../../projections/kernel/reads.ts'
import { scrub } from '../../projections/kernel/scrub.ts'
import { ProjectionStore } from '../../projections/kernel/store.ts'
import { shownBy } from './member.ts'

type Answers = {
  readonly [M in 'digests' | 'entries' | 'read']: (
    store: ProjectionStore,
    ask: Calls[M]['ask'],
  ) => Calls[M]['answer']
}

const answers: Answers = {
  digests: ({ checkpoint, digests, layout }) => ({ checkpoint, digests, layout }),
  entries: (store, { from, limit, command }) => entries(store, from, limit, command),
  read,
}

/** What a file of projections shows, or why it is thrown away and made anew. */
type Looked = { readonly parts: Readonly<Record<string, string>> } | { readonly damage: string }

/** Opens and scrubs the projections of a directory as the worker of a member does, without its thread and its log. */
export async function lookAtProjections(directory: string, registry: Registry): Promise<Looked> {
  let store: ProjectionStore
  try {
    const path = join(directory, 'projections', '1', 'projections.sqlite')
    store = new ProjectionStore(path, registry, projections, eventProjections)
  } catch (error) {
    return { damage: error instanceof Error ? error.message : String(error) }
  }
  try {
    const damaged = await scrubbed(store)
    if (damaged.length > 0) return { damage: `rows of ${damaged.join(', ')} are not those that were written` }
    return { parts: await shownBy(registry, async (method, ask) => answers[method](store, ask)) }
  } finally {
    store.close()
  }
}

async function scrubbed(store: ProjectionStore): Promise<readonly string[]> {
  const steps = scrub(store)
  for (let step = steps.next(); ; step = steps.next()) if (step.done === true) return step.value
}
