import { describe, it } from 'vitest'
import { type Case, networked, play } from '../testing.ts'
import {
  drop,
  givenBack,
  host,
  inDefault,
  observed,
  placed,
  reports,
  running,
  start,
  stop,
  taken,
  web,
} from './testing_steps.ts'

const cases: readonly Case[] = [
  {
    name: 'an instance takes all it needs in one entry',
    given: [host],
    when: web,
    gives: [...taken, ...placed],
  },
  {
    name: 'an instance that should be stopped takes all but a place',
    when: ['vm.CreateInstance', inDefault('web', { image: 'guest', subnet: 'front', intent: 'stopped' })],
    gives: taken,
  },
  { name: 'an instance needs a host', when: web, gives: 'NO_CAPACITY', saying: /there are no hosts/ },
  {
    name: 'an instance needs a host with room, and is told what each lacks',
    given: [host],
    when: ['vm.CreateInstance', inDefault('web', { image: 'guest', subnet: 'front', memoryMebibytes: 2048 })],
    gives: 'NO_CAPACITY',
    saying: /host-1: 2048 MiB of memory are wanted, and 1024 of 1024 are free/,
  },
  {
    name: 'an instance needs its image’s memory',
    given: [host],
    when: ['vm.CreateInstance', inDefault('web', { image: 'guest', subnet: 'front', memoryMebibytes: 32 })],
    gives: 'INVALID_ARGUMENT',
    saying: /image guest needs 64 MiB/,
  },
  {
    name: 'an instance’s port is forwarded once',
    given: [host],
    when: ['vm.CreateInstance', inDefault('web', { image: 'guest', subnet: 'front', guestPorts: [80, 80] })],
    gives: 'INVALID_ARGUMENT',
    saying: /guestPorts: must name each port once/,
  },
  {
    name: 'an instance needs quota',
    given: [host, ['credit.SetQuota', { project: 'default', class: 'memory-mib', limit: 100 }]],
    when: web,
    gives: 'QUOTA_EXCEEDED',
    saying: /100 memory-mib and holds 0: 256 more are 156 too many/,
  },
  {
    name: 'an instance needs a free address',
    given: [host, ['vpc.AllocatePort', inDefault('a', { subnet: 'front', address: '10.0.0.9' })]],
    when: ['vm.CreateInstance', inDefault('web', { image: 'guest', subnet: 'front', address: '10.0.0.9' })],
    gives: 'ALREADY_EXISTS',
  },
  { name: 'an instance’s name is unique', given: [host, web], when: web, gives: 'ALREADY_EXISTS' },
  {
    name: 'an instance’s image is there',
    given: [host],
    when: ['vm.CreateInstance', inDefault('web', { image: 'none', subnet: 'front' })],
    gives: 'NOT_FOUND',
  },
  {
    name: 'an instance is changed',
    given: [host, web],
    when: ['vm.UpdateInstance', inDefault('web', { guestPorts: [80, 443] })],
    gives: ['vm.InstanceUpdated'],
  },
  {
    name: 'an instance that is changed names each port once, too',
    given: [host, web],
    when: ['vm.UpdateInstance', inDefault('web', { guestPorts: [80, 443, 80] })],
    gives: 'INVALID_ARGUMENT',
    saying: /guestPorts: must name each port once/,
  },
  {
    name: 'an instance’s size is what it reserves',
    given: [host, web],
    when: ['vm.UpdateInstance', inDefault('web', { memoryMebibytes: 512 })],
    gives: ['vm.InstanceUpdated', 'credit.Released', 'credit.Reserved'],
  },
  {
    name: 'an instance does not grow beyond the quota',
    given: [host, web],
    when: ['vm.UpdateInstance', inDefault('web', { memoryMebibytes: 1_000_000 })],
    gives: 'QUOTA_EXCEEDED',
  },
  {
    name: 'an instance is told to stop',
    given: [host, web, running],
    when: stop,
    gives: ['vm.InstanceIntentSet', 'vm.IncarnationIntentSet'],
  },
  { name: 'an instance is told to stop once', given: [host, web, stop], when: stop, gives: [] },
  {
    name: 'a stopped instance keeps what it holds but its place',
    given: [host, web, running, stop],
    when: reports('stopped'),
    gives: [...observed, 'vpc.PortBound'],
  },
  {
    name: 'a stopped instance starts anew',
    given: [host, web, stop, reports('stopped')],
    when: start,
    gives: ['vm.InstanceIntentSet', 'vm.IncarnationForgotten', ...placed],
  },
  { name: 'an instance that runs need not start', given: [host, web, running], when: start, gives: [] },
  {
    name: 'an instance that still stops starts once it has',
    given: [host, web, running, stop],
    when: start,
    gives: ['vm.InstanceIntentSet'],
  },
  {
    name: 'an instance does not start without a host',
    given: [
      host,
      web,
      stop,
      reports('stopped'),
      ['vm.SetHostPolicy', { name: 'host-1', policy: 'no-provision' }],
    ],
    when: start,
    gives: 'NO_CAPACITY',
  },
  {
    name: 'an instance reboots',
    given: [host, web, running],
    when: ['vm.RebootInstance', inDefault('web')],
    gives: ['vm.IncarnationIntentSet'],
  },
  {
    name: 'an instance that does not run does not reboot',
    given: [host, web, stop],
    when: ['vm.RebootInstance', inDefault('web')],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'deleting a running instance records the intent',
    given: [host, web, running],
    when: drop,
    gives: ['vm.InstanceIntentSet', 'vm.IncarnationIntentSet'],
  },
  { name: 'deleting it again changes nothing', given: [host, web, drop], when: drop, gives: [] },
  {
    name: 'what it holds is given back by the entry that records it gone',
    given: [host, web, running, drop],
    when: reports('destroyed'),
    gives: ['vm.IncarnationReported', ...givenBack],
  },
  {
    name: 'what has ended in another way is gone as well',
    given: [host, web, running, drop],
    when: reports('failed'),
    gives: ['vm.IncarnationReported', ...givenBack],
  },
  {
    name: 'deleting a stopped instance gives everything back at once',
    given: [host, web, stop, reports('stopped')],
    when: drop,
    gives: ['vm.InstanceIntentSet', ...givenBack],
  },
  {
    name: 'an instance that is being deleted does not start',
    given: [host, web, drop],
    when: start,
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'an instance that is being deleted does not stop',
    given: [host, web, drop],
    when: stop,
    gives: 'FAILED_PRECONDITION',
  },
]

describe('instances', () => {
  it.each(cases)('$name', (example) => {
    play(networked(), example)
  })
})
