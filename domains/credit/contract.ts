import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  Labels,
  message,
  Name,
  owner,
  resource,
  Uid,
  updated,
} from '../kernel/contract.ts'

/** What quotas count. Append only. */
export const resourceClasses = [
  'instances',
  'vcpus',
  'memory-mib',
  'ports',
  'load-balancers',
  'zones',
] as const
export type ResourceClass = (typeof resourceClasses)[number]

/** The limit of a project that has no quota of its own for a class. */
export const defaultLimits: Readonly<Record<ResourceClass, number>> = {
  instances: 100,
  vcpus: 400,
  'memory-mib': 409_600,
  ports: 400,
  'load-balancers': 50,
  zones: 50,
}

/** Kinds that can hold a reservation. Append only. */
export const holderKinds = ['instance', 'port', 'load-balancer', 'zone'] as const
export type HolderKind = (typeof holderKinds)[number]

const Class = z.enum(resourceClasses)
/** Above any cloud, and far below where sums would lose precision. */
const Amount = z.int().min(0).max(1_000_000_000_000)
const amounts = z
  .array(message({ class: [1, Class], amount: [2, Amount] }).schema)
  .min(1)
  .max(resourceClasses.length)

const quota = resource({
  doc: 'How much of a resource class a project may hold. Its name is the class; without one the default limit holds.',
  plural: 'quotas',
  scope: 'project',
  fields: { limit: [10, Amount] },
})

/** Exactly one holder is set; the reservation goes when its holder goes, so usage cannot drift. Its name is the holder’s uid. */
export const reservation = resource({
  doc: 'What a resource takes of its project’s quotas, as long as it is there.',
  plural: 'reservations',
  scope: 'project',
  fields: {
    amounts: [10, amounts],
    instance: [11, owner('vm.instance').nullable()],
    port: [12, owner('vpc.port').nullable()],
    loadBalancer: [13, owner('lb.load_balancer').nullable()],
    zone: [14, owner('dns.zone').nullable()],
  },
})

const identified = { uid: [1, Uid] } as const

export default contract({
  name: 'credit',
  doc: 'Quotas and what is reserved of them.',
  resources: { quota, reservation },
  commands: {
    SetQuota: command({
      doc: 'Sets a project’s limit of a class. A limit below what is held stops more from being taken; nothing is taken away.',
      permission: 'credit.quotas.set',
      scope: 'system',
      request: {
        project: [1, Name],
        class: [2, Class],
        limit: [3, Amount],
        labels: [4, Labels.optional()],
      },
      result: identified,
    }),
    DeleteQuota: command({
      doc: 'Lets the default limit hold again.',
      permission: 'credit.quotas.delete',
      scope: 'system',
      request: { project: [1, Name], class: [2, Class] },
      result: identified,
    }),
    Reserve: command({
      doc: 'Takes amounts for a holder that is there, or rejects with QUOTA_EXCEEDED. Other domains’ decisions run it.',
      permission: 'credit.reservations.reserve',
      scope: 'system',
      request: {
        project: [1, Name],
        holderKind: [2, z.enum(holderKinds)],
        holder: [3, Uid],
        amounts: [4, amounts],
      },
      result: identified,
    }),
    Release: command({
      doc: 'Gives back what a holder has reserved while the holder stays. One that goes gives it back by itself.',
      permission: 'credit.reservations.release',
      scope: 'system',
      request: { project: [1, Name], holder: [2, Uid] },
      result: identified,
    }),
  },
  events: {
    QuotaSet: created(quota),
    QuotaChanged: updated(quota),
    QuotaDeleted: deleted(quota),
    Reserved: created(reservation),
    Released: deleted(reservation),
  },
})
