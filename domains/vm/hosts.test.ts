import { describe, it } from 'vitest'
import { type Case, networked, play } from '../testing.ts'
import { fence, host, reports, stop, suspect, web } from './testing_steps.ts'

const cases: readonly Case[] = [
  {
    name: 'an image is registered',
    when: ['vm.RegisterImage', { name: 'other' }],
    gives: ['vm.ImageRegistered'],
  },
  {
    name: 'an image that is booted directly has a kernel',
    when: ['vm.RegisterImage', { name: 'other', kind: 'direct-kernel' }],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'an image is changed',
    when: ['vm.UpdateImage', { name: 'guest', minimumMemoryMebibytes: 128 }],
    gives: ['vm.ImageUpdated'],
  },
  { name: 'an image goes', when: ['vm.DeleteImage', { name: 'guest' }], gives: ['vm.ImageDeleted'] },
  {
    name: 'an image in use stays',
    given: [host, web],
    when: ['vm.DeleteImage', { name: 'guest' }],
    gives: 'IN_USE',
  },
  { name: 'a host is registered', when: host, gives: ['vm.HostRegistered'] },
  { name: 'a host that has not changed registers for nothing', given: [host], when: host, gives: [] },
  {
    name: 'a host that has changed says so',
    given: [host],
    when: ['vm.RegisterHost', { name: 'host-1', vcpus: 4, memoryMebibytes: 1024, acceleration: 'kvm' }],
    gives: ['vm.HostUpdated'],
  },
  {
    name: 'a host’s labels change',
    given: [host],
    when: ['vm.UpdateHost', { name: 'host-1', labels: { rack: '1' } }],
    gives: ['vm.HostUpdated'],
  },
  {
    name: 'a host’s policy is set',
    given: [host],
    when: ['vm.SetHostPolicy', { name: 'host-1', policy: 'no-provision' }],
    gives: ['vm.HostPolicySet'],
  },
  { name: 'a host is suspected', given: [host], when: suspect, gives: ['vm.HostSuspected'] },
  { name: 'a host is suspected once', given: [host, suspect], when: suspect, gives: 'FAILED_PRECONDITION' },
  {
    name: 'a host recovers',
    given: [host, suspect],
    when: ['vm.RecoverHost', { name: 'host-1' }],
    gives: ['vm.HostRecovered'],
  },
  {
    name: 'a host that is up does not recover',
    given: [host],
    when: ['vm.RecoverHost', { name: 'host-1' }],
    gives: 'FAILED_PRECONDITION',
  },
  { name: 'a host that is heard of is not fenced', given: [host], when: fence, gives: 'FAILED_PRECONDITION' },
  {
    name: 'a fenced host recovers by registering alone',
    given: [host, suspect, fence],
    when: ['vm.RecoverHost', { name: 'host-1' }],
    gives: 'FAILED_PRECONDITION',
    saying: /register again/,
  },
  {
    name: 'a fenced host registers again',
    given: [host, suspect, fence],
    when: host,
    gives: ['vm.HostRecovered'],
  },
  {
    name: 'an empty host goes',
    given: [host],
    when: ['vm.DeleteHost', { name: 'host-1' }],
    gives: ['vm.HostDeleted'],
  },
  {
    name: 'a host that runs something stays',
    given: [host, web],
    when: ['vm.DeleteHost', { name: 'host-1' }],
    gives: 'IN_USE',
    saying: /web\.1 may run/,
  },
  {
    name: 'a host that runs something is not expunged',
    given: [host, web],
    when: ['vm.SetHostPolicy', { name: 'host-1', policy: 'expunged' }],
    gives: 'IN_USE',
  },
  {
    name: 'an expunged host does not come back',
    given: [host, ['vm.SetHostPolicy', { name: 'host-1', policy: 'expunged' }]],
    when: host,
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a host goes with what has ended on it',
    given: [host, web, stop, reports('stopped')],
    when: ['vm.DeleteHost', { name: 'host-1' }],
    gives: ['vm.IncarnationForgotten', 'vm.InstanceObserved', 'vm.HostDeleted'],
  },
]

describe('hosts', () => {
  it.each(cases)('$name', (example) => {
    play(networked(), example)
  })
})
