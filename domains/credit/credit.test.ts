import { describe, expect, it } from 'vitest'
import { addUser, bootstrapped, type Case, checkSamples, networked, play, type Step } from '../testing.ts'
import contract, { defaultLimits } from './contract.ts'
import { usage } from './usage.ts'

const two: Step = ['credit.SetQuota', { project: 'default', class: 'ports', limit: 2 }]
const port = (name: string): Step => ['vpc.AllocatePort', { project: 'default', name, subnet: 'front' }]
const holder = { project: 'default', holderKind: 'port', holder: 'nobody' }

const cases: readonly Case[] = [
  { name: 'a quota is set', when: two, gives: ['credit.QuotaSet'] },
  {
    name: 'a quota is set for a project that is there',
    when: ['credit.SetQuota', { project: 'nowhere', class: 'ports', limit: 1 }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a quota is of a class that is known',
    when: ['credit.SetQuota', { project: 'default', class: 'pots', limit: 1 }],
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a quota is changed',
    given: [two],
    when: ['credit.SetQuota', { project: 'default', class: 'ports', limit: 3 }],
    gives: ['credit.QuotaChanged'],
  },
  {
    name: 'a quota is deleted',
    given: [two],
    when: ['credit.DeleteQuota', { project: 'default', class: 'ports' }],
    gives: ['credit.QuotaDeleted'],
  },
  {
    name: 'a quota that is not set is not deleted',
    when: ['credit.DeleteQuota', { project: 'default', class: 'ports' }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'what the quota leaves is taken',
    given: [two, port('a')],
    when: port('b'),
    gives: ['vpc.PortAllocated', 'credit.Reserved'],
  },
  {
    name: 'what the quota does not leave is refused with everything around it',
    given: [two, port('a'), port('b')],
    when: port('c'),
    gives: 'QUOTA_EXCEEDED',
    saying: /project default may hold 2 ports and holds 2: 1 more are 1 too many/,
  },
  {
    name: 'a limit below what is held takes nothing away',
    given: [two, port('a'), port('b'), ['credit.SetQuota', { project: 'default', class: 'ports', limit: 1 }]],
    when: port('c'),
    gives: 'QUOTA_EXCEEDED',
    saying: /1 more are 2 too many/,
  },
  {
    name: 'a holder gives back what it had by going',
    given: [two, port('a'), port('b'), ['vpc.ReleasePort', { project: 'default', name: 'a' }]],
    when: port('c'),
    gives: ['vpc.PortAllocated', 'credit.Reserved'],
  },
  {
    name: 'a holder must be there',
    when: ['credit.Reserve', { ...holder, amounts: [{ class: 'ports', amount: 1 }] }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'amounts of one class add up',
    given: [two],
    when: [
      'credit.Reserve',
      {
        ...holder,
        amounts: [
          { class: 'ports', amount: 2 },
          { class: 'ports', amount: 1 },
        ],
      },
    ],
    gives: 'QUOTA_EXCEEDED',
    saying: /3 more are 1 too many/,
  },
  {
    name: 'a holder gives back and stays',
    given: [port('a')],
    when: [
      'credit.Release',
      (scenario) => {
        const held = [...scenario.state.resource(contract, 'reservation').values()]
        return { project: 'default', holder: held.find((row) => row.port !== null)?.name }
      },
    ],
    gives: ['credit.Released'],
  },
  {
    name: 'what nothing holds is not given back',
    when: ['credit.Release', { project: 'default', holder: 'nobody' }],
    gives: 'NOT_FOUND',
  },
]

describe('credit', () => {
  it.each(cases)('$name', (example) => {
    play(networked(), example)
  })

  it('says what a project holds and may hold, by default and as set', () => {
    const scenario = networked()
    scenario.run(contract, 'SetQuota', { project: 'default', class: 'zones', limit: 7 })
    const of = (name: string) => usage(scenario.state, 'default').find(({ class: found }) => found === name)
    expect(of('zones')).toEqual({ class: 'zones', used: 1, limit: 7, set: true })
    expect(of('ports')).toEqual({ class: 'ports', used: 0, limit: defaultLimits.ports, set: false })
    expect(usage(bootstrapped().state, 'default').every(({ used }) => used === 0)).toBe(true)
  })

  it('lets no tenant set its own quota or give reservations back', () => {
    const scenario = networked()
    const as = { actor: addUser(scenario, 'ann', 'owner', 'default') }
    const quota = { project: 'default', class: 'ports', limit: 9 }
    scenario.rejected(contract, 'SetQuota', quota, 'PERMISSION_DENIED', as)
    scenario.rejected(contract, 'Release', { project: 'default', holder: 'x' }, 'PERMISSION_DENIED', as)
  })

  it('decodes a stored sample of every event', async () => {
    expect(await checkSamples('credit')).toBeGreaterThanOrEqual(Object.keys(contract.events).length)
  })
})
