import { z } from 'zod'
import { command, Labels, Name, Uid } from '../kernel/contract.ts'
import {
  accelerations,
  Conditions,
  Digest,
  Forwards,
  hostPolicies,
  imageKinds,
  incarnationLifecycles,
  Location,
  MemoryMebibytes,
  Quarantined,
  Reason,
  Vcpus,
} from './contract_resources.ts'

const named = { name: [2, Name] } as const
const labels = [3, Labels.default({})] as const
const changedLabels = [3, Labels.optional()] as const
const identified = { uid: [1, Uid] } as const
const CommandLine = z.string().max(2048)
/** Incarnations a host can say it has, at most. */
const INCARNATIONS_MAX = 1024

/** Commands about images and hosts, and what hosts report. */
export const hostCommands = {
  RegisterImage: command({
    doc: 'Registers an image: the guest that is built in, or a kernel with an initial RAM disk.',
    permission: 'vm.images.register',
    scope: 'system',
    request: {
      ...named,
      labels,
      kind: [10, z.enum(imageKinds).default('built-in')],
      kernel: [11, Location.default('')],
      initrd: [12, Location.default('')],
      commandLine: [13, CommandLine.default('')],
      digest: [14, Digest.default('')],
      minimumMemoryMebibytes: [15, MemoryMebibytes.default(64)],
    },
    result: identified,
  }),
  UpdateImage: command({
    doc: 'Changes an image’s labels or its least memory. Its contents never change: register another.',
    permission: 'vm.images.update',
    scope: 'system',
    request: { ...named, labels: changedLabels, minimumMemoryMebibytes: [15, MemoryMebibytes.optional()] },
    result: identified,
  }),
  DeleteImage: command({
    doc: 'Deletes an image that no instance uses.',
    permission: 'vm.images.delete',
    scope: 'system',
    request: named,
    result: identified,
  }),
  RegisterHost: command({
    doc: 'A host says what it has; again whenever it starts or that has changed. The account that registers a host owns it.',
    permission: 'vm.hosts.register',
    scope: 'system',
    request: {
      ...named,
      labels: changedLabels,
      vcpus: [11, Vcpus],
      memoryMebibytes: [12, MemoryMebibytes],
      acceleration: [13, z.enum(accelerations)],
      conditions: [17, Conditions.default([])],
      address: [19, z.string().max(255).default('')],
    },
    result: identified,
  }),
  SetHostPolicy: command({
    doc: 'Says whether a host takes new incarnations. Expunged: it is gone for good, and must be fenced or empty.',
    permission: 'vm.hosts.set-policy',
    scope: 'system',
    request: { ...named, policy: [14, z.enum(hostPolicies)] },
    result: identified,
  }),
  UpdateHost: command({
    doc: 'Changes a host’s labels.',
    permission: 'vm.hosts.update',
    scope: 'system',
    request: { ...named, labels: changedLabels },
    result: identified,
  }),
  SuspectHost: command({
    doc: 'Records that a host is not heard of. What it runs is left alone: it may still run.',
    permission: 'vm.hosts.suspect',
    scope: 'system',
    request: { ...named, reason: [16, Reason.default('')] },
    result: identified,
  }),
  RecoverHost: command({
    doc: 'Records that a host is heard of again.',
    permission: 'vm.hosts.recover',
    scope: 'system',
    request: named,
    result: identified,
  }),
  FenceHost: command({
    doc: 'States that a suspected host is off and stays off until it registers again: what it ran runs elsewhere from now on.',
    permission: 'vm.hosts.fence',
    scope: 'system',
    request: {
      ...named,
      /** How it is known to be off. */
      evidence: [16, z.string().min(1).max(1024)],
    },
    result: { ...identified, incarnations: [2, z.int().min(0)] },
  }),
  DeleteHost: command({
    doc: 'Forgets a host that is expunged or has nothing that may run.',
    permission: 'vm.hosts.delete',
    scope: 'system',
    request: named,
    result: identified,
  }),
  ReportHost: command({
    doc: 'A host says all that it has, after it started and after each change of history: what it does not name does not run there.',
    permission: 'vm.hosts.report',
    scope: 'system',
    request: {
      ...named,
      /** Of its desired state, when it looked; what has changed since is left alone. */
      seenRevision: [4, z.int().min(0)],
      /** uids of all incarnations that have a directory there, running or not, but quarantined ones. */
      incarnations: [5, z.array(Uid).max(INCARNATIONS_MAX)],
      quarantined: [18, Quarantined.default([])],
      conditions: [17, Conditions.optional()],
    },
    result: { ...identified, gone: [2, z.int().min(0)] },
  }),
  ReportIncarnation: command({
    doc: 'A host says how an incarnation is. A stale generation is refused with FAILED_PRECONDITION: the host must end it.',
    permission: 'vm.incarnations.report',
    scope: 'system',
    request: {
      /** uid */
      incarnation: [1, Uid],
      generation: [2, z.int().min(1)],
      lifecycle: [3, z.enum(incarnationLifecycles)],
      reason: [4, Reason.default('')],
      forwards: [5, Forwards.default([])],
      acceleration: [6, z.enum(accelerations).optional()],
      guestReady: [7, z.boolean().default(false)],
    },
    result: identified,
  }),
  AdoptHistory: command({
    doc: 'After a restore: what this history says may run is in doubt until its host has said so again.',
    permission: 'vm.incarnations.doubt',
    scope: 'system',
    request: {
      history: [1, Uid],
      /** Milliseconds since 1970: what was recorded from then on is of this history already. */
      sinceTime: [2, z.int().min(0).optional()],
    },
    result: { doubted: [1, z.int().min(0)] },
  }),
  RecordIncarnationGone: command({
    doc: 'States that an incarnation in doubt does not run: its host is heard of, and has not named it in time.',
    permission: 'vm.incarnations.record-gone',
    scope: 'system',
    request: { incarnation: [1, Uid], reason: [4, Reason] },
    result: identified,
  }),
} as const
