import { z } from 'zod'
import { contract, created, deleted, event, Uid, updated } from '../kernel/contract.ts'
import { hostCommands } from './contract_hosts.ts'
import { instanceCommands } from './contract_instances.ts'
import { host, image, incarnation, instance } from './contract_resources.ts'

export default contract({
  name: 'vm',
  doc: 'Images, hosts, instances, and the incarnations that instances run as.',
  resources: { image, host, instance, incarnation },
  commands: { ...hostCommands, ...instanceCommands },
  events: {
    ImageRegistered: created(image),
    ImageUpdated: updated(image),
    ImageDeleted: deleted(image),
    HostRegistered: created(host),
    HostUpdated: updated(host),
    HostPolicySet: updated(host),
    HostSuspected: updated(host),
    HostRecovered: updated(host),
    HostFenced: updated(host),
    HostReported: updated(host),
    HostDeleted: deleted(host),
    InstanceCreated: created(instance),
    InstanceUpdated: updated(instance),
    InstanceIntentSet: updated(instance),
    /** It has an incarnation now, and its port is known. */
    InstanceScheduled: updated(instance),
    InstanceNotPlaced: updated(instance),
    InstanceObserved: updated(instance),
    InstanceDeleted: deleted(instance),
    /** With the reasons, for every host. */
    InstancePlaced: created(incarnation),
    IncarnationIntentSet: updated(incarnation),
    IncarnationReported: updated(incarnation),
    IncarnationFenced: updated(incarnation),
    /** What may run as of a revision of another history is in doubt; complete once all of it is marked. */
    HistoryAdopted: event({
      history: [1, Uid],
      sinceRevision: [2, z.int().min(0)],
      complete: [3, z.boolean()],
    }),
    /** The history it belonged to was left by a restore: only its host can say whether it runs. */
    IncarnationDoubted: updated(incarnation),
    IncarnationGone: updated(incarnation),
    IncarnationForgotten: deleted(incarnation),
  },
})
