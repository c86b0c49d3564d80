import { expect, test } from 'vitest'
import type { DesiredIncarnation } from './desired.ts'
import type { IncarnationStatus } from './instance_driver.ts'
import { planIncarnation, type Situation } from './plan.ts'
import { testSpecification } from './testing/guests.ts'

type Intent = DesiredIncarnation['intent'] | 'unknown'
type Phase = IncarnationStatus['phase'] | 'absent' | 'crashed'

function situation(intent: Intent, phase: Phase, more: Partial<Situation> = {}): Situation {
  const specification = testSpecification('web-1', 5)
  const failed = phase === 'crashed'
  return {
    desired: intent === 'unknown' ? undefined : { ...specification, intent },
    status:
      phase === 'absent'
        ? undefined
        : {
            specification,
            phase: failed ? 'exited' : phase,
            acceleration: 'tcg',
            forwards: [],
            guestReady: false,
            ...(phase === 'exited' ? { exit: { outcome: 'stopped', reason: 'PowerButton' } as const } : {}),
            ...(failed ? { exit: { outcome: 'failed', reason: 'GuestPanicked' } as const } : {}),
          },
    predecessor: undefined,
    refusal: undefined,
    over: false,
    ...more,
  }
}

test.each<[Intent, Phase, string, string | undefined, boolean]>([
  ['running', 'absent', 'start', 'starting', false],
  ['running', 'starting', 'none', 'starting', false],
  ['running', 'running', 'none', 'running', true],
  ['running', 'stopping', 'none', 'stopping', false],
  // An incarnation runs once: starting anew is the control plane's to decide.
  ['running', 'exited', 'none', 'stopped', true],
  ['running', 'crashed', 'none', 'failed', true],
  ['stopped', 'absent', 'none', 'stopped', true],
  ['stopped', 'starting', 'stop', 'stopping', false],
  ['stopped', 'running', 'stop', 'stopping', false],
  ['stopped', 'stopping', 'stop', 'stopping', false],
  ['stopped', 'exited', 'none', 'stopped', true],
  ['stopped', 'crashed', 'none', 'failed', true],
  ['destroyed', 'absent', 'none', 'destroyed', true],
  ['destroyed', 'starting', 'stop', 'stopping', false],
  ['destroyed', 'running', 'stop', 'stopping', false],
  ['destroyed', 'stopping', 'stop', 'stopping', false],
  ['destroyed', 'exited', 'remove', undefined, false],
  ['destroyed', 'crashed', 'remove', undefined, false],
  // What is not known is never ended.
  ['unknown', 'absent', 'none', undefined, true],
  ['unknown', 'starting', 'none', 'quarantined', true],
  ['unknown', 'running', 'none', 'quarantined', true],
  ['unknown', 'stopping', 'none', 'quarantined', true],
  ['unknown', 'exited', 'remove', undefined, false],
  ['unknown', 'crashed', 'remove', undefined, false],
])('shall be %s, is %s: %s, say %s, settled %s', (intent, phase, action, lifecycle, settled) => {
  expect(planIncarnation(situation(intent, phase))).toMatchObject({ action, lifecycle, settled })
})

test('an incarnation waits for an earlier one of its instance, and says so', () => {
  const plan = planIncarnation(situation('running', 'absent', { predecessor: 'i-0' }))
  expect(plan).toMatchObject({ action: 'none', lifecycle: 'starting', settled: false })
  expect(plan.reason).toBe('WaitingForPredecessor: i-0 still runs on this host')
})

test('what was refused has failed and is not tried again', () => {
  const plan = planIncarnation(situation('running', 'absent', { refusal: 'StartFailed: x' }))
  expect(plan).toEqual({ action: 'none', lifecycle: 'failed', reason: 'StartFailed: x', settled: true })
})

test.each<[Intent, Phase, string, string | undefined]>([
  ['running', 'running', 'stop', 'stopping'],
  // Its directory stays, so that it is not taken for one to be started.
  ['running', 'exited', 'none', 'stopped'],
  ['stopped', 'running', 'stop', 'stopping'],
  ['destroyed', 'exited', 'remove', undefined],
  ['unknown', 'running', 'stop', 'stopping'],
  ['unknown', 'exited', 'remove', undefined],
  ['running', 'absent', 'none', 'stopped'],
])('what is over, shall be %s and is %s: %s, say %s', (intent, phase, action, lifecycle) => {
  expect(planIncarnation(situation(intent, phase, { over: true }))).toMatchObject({ action, lifecycle })
})
