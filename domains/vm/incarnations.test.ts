import { describe, it } from 'vitest'
import { type Case, networked, play } from '../testing.ts'
import { incarnationOf, instanceOf } from './testing.ts'
import { drop, fence, givenBack, host, observed, reports, running, suspect, web } from './testing_steps.ts'

const cases: readonly Case[] = [
  {
    name: 'what a host reports is recorded',
    given: [host, web],
    when: running,
    gives: [...observed, 'vpc.PortBound'],
  },
  { name: 'what is no news is not recorded', given: [host, web, running], when: running, gives: [] },
  {
    name: 'an older generation is refused',
    given: [host, web],
    when: reports('running', { generation: 7 }),
    gives: 'FAILED_PRECONDITION',
    saying: /generation 1, not 7: end it/,
  },
  { name: 'a host cannot fence', given: [host, web], when: reports('fenced'), gives: 'INVALID_ARGUMENT' },
  {
    name: 'what is unknown is refused',
    given: [host],
    when: ['vm.ReportIncarnation', { incarnation: 'x', generation: 1, lifecycle: 'running' }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'fencing gives back what a deleted instance held',
    given: [host, web, running, drop, suspect],
    when: fence,
    gives: ['vm.HostFenced', 'vm.IncarnationFenced', ...givenBack],
  },
  {
    name: 'fencing frees an instance that should run',
    given: [host, web, running, suspect],
    when: fence,
    gives: ['vm.HostFenced', 'vm.IncarnationFenced', 'vm.InstanceObserved', 'vpc.PortBound'],
  },
  {
    name: 'what was fenced must end',
    given: [host, web, running, suspect, fence, host],
    when: running,
    gives: 'FAILED_PRECONDITION',
    saying: /is over \(fenced\): end it/,
  },
  {
    name: 'what has ended does not run again',
    given: [host, web, reports('failed')],
    when: running,
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'an instance with an incarnation is not placed again',
    given: [host, web],
    when: ['vm.PlaceInstance', (scenario) => ({ instance: instanceOf(scenario, 'web').uid })],
    gives: 'FAILED_PRECONDITION',
    saying: /has incarnation web\.1, which is creating/,
  },
  {
    name: 'what a host has of what should not run, and does not name, is gone',
    given: [host, web, running, drop],
    when: ['vm.ReportHost', { name: 'host-1', seenRevision: 1_000_000, incarnations: [] }],
    gives: ['vm.IncarnationGone', ...givenBack],
  },
  {
    name: 'a host names what it has',
    given: [host, web, running, drop],
    when: [
      'vm.ReportHost',
      (scenario) => ({
        name: 'host-1',
        seenRevision: 1_000_000,
        incarnations: [incarnationOf(scenario, 'web').uid],
        quarantined: [{ incarnation: 'stray', reason: 'unknown' }],
      }),
    ],
    gives: ['vm.HostReported'],
  },
  {
    name: 'what a host has not seen yet is not gone',
    given: [host, web, running, drop],
    when: ['vm.ReportHost', { name: 'host-1', seenRevision: 1, incarnations: [] }],
    gives: [],
  },
  {
    name: 'what should run is for the host to start',
    given: [host, web, running],
    when: ['vm.ReportHost', { name: 'host-1', seenRevision: 1_000_000, incarnations: [] }],
    gives: [],
  },
  {
    name: 'after a restore what may run is in doubt',
    given: [host, web, running],
    when: ['vm.AdoptHistory', { history: 'second' }],
    gives: ['vm.IncarnationDoubted', 'vm.InstanceObserved', 'vpc.PortBound', 'vm.HistoryAdopted'],
  },
  {
    name: 'a history is adopted once',
    given: [['vm.AdoptHistory', { history: 'second' }]],
    when: ['vm.AdoptHistory', { history: 'second' }],
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a host’s word ends the doubt',
    given: [host, web, running, ['vm.AdoptHistory', { history: 'second' }]],
    when: running,
    gives: [...observed, 'vpc.PortBound'],
  },
  {
    name: 'what its host does not name is given up',
    given: [host, web, running, ['vm.AdoptHistory', { history: 'second' }]],
    when: [
      'vm.RecordIncarnationGone',
      (scenario) => ({ incarnation: incarnationOf(scenario, 'web').uid, reason: 'silence' }),
    ],
    gives: ['vm.IncarnationGone', 'vm.InstanceObserved', 'vpc.PortBound'],
  },
  {
    name: 'what is not in doubt is not given up',
    given: [host, web, running],
    when: [
      'vm.RecordIncarnationGone',
      (scenario) => ({ incarnation: incarnationOf(scenario, 'web').uid, reason: 'silence' }),
    ],
    gives: 'FAILED_PRECONDITION',
  },
]

describe('incarnations', () => {
  it.each(cases)('$name', (example) => {
    play(networked(), example)
  })
})
