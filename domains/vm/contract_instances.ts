import { z } from 'zod'
import { command, Labels, Name, Uid } from '../kernel/contract.ts'
import { GuestPorts, MemoryMebibytes, UserData, Vcpus } from './contract_resources.ts'

const inProject = { project: [1, Name], name: [2, Name] } as const
const changedLabels = [3, Labels.optional()] as const
const identified = { uid: [1, Uid] } as const

/** No host can forward to one port twice. */
const distinctPorts = GuestPorts.refine(
  (ports) => new Set(ports).size === ports.length,
  'must name each port once',
)

/** Commands about instances. */
export const instanceCommands = {
  CreateInstance: command({
    doc: 'Takes quota and a port, places the instance, and publishes its name, all at once or not at all.',
    permission: 'vm.instances.create',
    scope: 'project',
    request: {
      ...inProject,
      labels: [3, Labels.default({})],
      image: [11, Name],
      vcpus: [12, Vcpus.default(1)],
      memoryMebibytes: [13, MemoryMebibytes.default(256)],
      subnet: [14, Name],
      address: [16, z.ipv4().max(15).optional()],
      userData: [26, UserData.default('')],
      guestPorts: [27, distinctPorts.default([80])],
      securityGroups: [31, z.array(Name).max(16).default([])],
      /** Stopped: it holds all but a place on a host. */
      intent: [10, z.enum(['running', 'stopped']).default('running')],
    },
    result: {
      ...identified,
      address: [2, z.string().max(15)],
      host: [3, z.string().max(63)],
      dnsName: [4, z.string().max(253)],
    },
  }),
  UpdateInstance: command({
    doc: 'Changes an instance’s labels, or, for its next incarnation, size, user data and guest ports.',
    permission: 'vm.instances.update',
    scope: 'project',
    request: {
      ...inProject,
      labels: changedLabels,
      vcpus: [12, Vcpus.optional()],
      memoryMebibytes: [13, MemoryMebibytes.optional()],
      userData: [26, UserData.optional()],
      guestPorts: [27, distinctPorts.optional()],
    },
    result: identified,
  }),
  StartInstance: command({
    doc: 'Says that an instance should run.',
    permission: 'vm.instances.start',
    scope: 'project',
    request: inProject,
    result: identified,
  }),
  StopInstance: command({
    doc: 'Says that an instance should be shut down in order. It keeps its address and its quota.',
    permission: 'vm.instances.stop',
    scope: 'project',
    request: inProject,
    result: identified,
  }),
  RebootInstance: command({
    doc: 'Shuts an instance that should run down in order; a new incarnation starts once it has ended.',
    permission: 'vm.instances.reboot',
    scope: 'project',
    request: inProject,
    result: identified,
  }),
  DeleteInstance: command({
    doc: 'Says that an instance should be gone. What it holds is given back, all at once, by the entry that records it ended.',
    permission: 'vm.instances.delete',
    scope: 'project',
    request: inProject,
    result: { ...identified, gone: [2, z.boolean()] },
  }),
  PlaceInstance: command({
    doc: 'Gives an instance that should run and has nothing that may run a new incarnation. A process runs it.',
    permission: 'vm.instances.place',
    scope: 'system',
    request: { instance: [1, Uid] },
    result: { ...identified, placed: [2, z.boolean()] },
  }),
} as const
