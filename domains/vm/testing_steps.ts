import type { Step } from '../testing.ts'
import { incarnationOf } from './testing.ts'

/** What tests of vm do over and over, in the project `default`. */
export const inDefault = (name: string, more: object = {}): object => ({ project: 'default', name, ...more })
export const web: Step = ['vm.CreateInstance', inDefault('web', { image: 'guest', subnet: 'front' })]
export const host: Step = [
  'vm.RegisterHost',
  { name: 'host-1', vcpus: 2, memoryMebibytes: 1024, acceleration: 'tcg' },
]
export const reports = (lifecycle: string, more: object = {}): Step => [
  'vm.ReportIncarnation',
  (scenario) => ({
    incarnation: incarnationOf(scenario, 'web').uid,
    generation: incarnationOf(scenario, 'web').generation,
    lifecycle,
    ...more,
  }),
]
export const running = reports('running', { guestReady: true, acceleration: 'tcg' })
export const stop: Step = ['vm.StopInstance', inDefault('web')]
export const start: Step = ['vm.StartInstance', inDefault('web')]
export const drop: Step = ['vm.DeleteInstance', inDefault('web')]
export const suspect: Step = ['vm.SuspectHost', { name: 'host-1' }]
export const fence: Step = ['vm.FenceHost', { name: 'host-1', evidence: 'power is off' }]

export const taken = [
  'vm.InstanceCreated',
  'credit.Reserved',
  'vpc.PortAllocated',
  'credit.Reserved',
  'dns.RecordSetCreated',
  'vm.InstanceUpdated',
]
export const placed = ['vm.InstancePlaced', 'vm.InstanceScheduled', 'vpc.PortBound']
export const observed = ['vm.IncarnationReported', 'vm.InstanceObserved']
export const givenBack = [
  'credit.Released',
  'dns.RecordSetDeleted',
  'vm.IncarnationForgotten',
  'credit.Released',
  'vpc.PortReleased',
  'vm.InstanceDeleted',
]
