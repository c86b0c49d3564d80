import type { RowOf } from '../kernel/contract.ts'
import { indexes, state, table } from '../kernel/domain.ts'
import contract from './contract.ts'
import { host, incarnation, instance, mayRun } from './contract_resources.ts'

export type Instance = RowOf<typeof instance>
export type Incarnation = RowOf<typeof incarnation>

/** The history whose word on what may run is taken. */
export interface Adopted {
  readonly history: string
  /** What was last changed before this revision belongs to an earlier history. */
  readonly sinceRevision: number
  readonly complete: boolean
}

const holder = (row: Incarnation): string | undefined => (mayRun(row.lifecycle) ? row.host : undefined)

export default state(
  contract,
  {
    host: indexes(host)({ index: { account: ({ serviceAccount }) => serviceAccount ?? undefined } }),
    instance: indexes(instance)({
      index: {
        /** Under '': what should run, and has nothing that may run. */
        waiting: (row: Instance) => (row.intent === 'running' && isWaiting(row) ? '' : undefined),
      },
    }),
    incarnation: indexes(incarnation)({
      index: {
        instance: (row: Incarnation) => row.instance,
        host: (row: Incarnation) => row.host,
        /** Those that may run, by host: they hold its memory. */
        holding: holder,
        /** Under '': those that may run and are not in doubt. */
        trusted: (row: Incarnation) =>
          mayRun(row.lifecycle) && row.lifecycle !== 'unknown' ? '' : undefined,
        /** Under '': those in doubt since a restore. */
        doubted: (row: Incarnation) => (row.lifecycle === 'unknown' ? '' : undefined),
      },
      sum: {
        vcpus: { key: holder, amount: (row: Incarnation) => row.vcpus },
        memoryMebibytes: { key: holder, amount: (row: Incarnation) => row.memoryMebibytes },
      },
    }),
  },
  {
    /** One row, under 'current'. */
    adopted: table<Adopted>()(),
  },
)

/** True where nothing of an instance may run. */
function isWaiting({ lifecycle }: Pick<Instance, 'lifecycle'>): boolean {
  return lifecycle === 'pending' || lifecycle === 'stopped' || lifecycle === 'failed'
}
