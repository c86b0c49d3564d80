import { describe, expect, it } from 'vitest'
import { nameKey } from '../kernel/domain.ts'
import { addHost, bootstrapped, type Case, checkSamples, networked, play, type Step } from '../testing.ts'
import vmContract from '../vm/contract.ts'
import contract from './contract.ts'

const zone = (name: string, more: object = {}): Step => [
  'dns.CreateZone',
  { project: 'default', name, ...more },
]
const put = (name: string, type: string, values: readonly string[], more: object = {}): Step => [
  'dns.PutRecordSet',
  { project: 'default', zone: 'demo.test', name, type, values, ...more },
]
const shop: Step = ['iam.CreateProject', { organization: 'default', name: 'shop' }]
const web = put('web', 'A', ['192.0.2.1'])

const cases: readonly Case[] = [
  {
    name: 'a zone is created and counted',
    when: zone('Other.Test.'),
    gives: ['dns.ZoneCreated', 'credit.Reserved'],
  },
  { name: 'a zone is created once', when: zone('DEMO.test'), gives: 'ALREADY_EXISTS' },
  {
    name: 'a zone of another project is not created again',
    given: [shop],
    when: ['dns.CreateZone', { project: 'shop', name: 'demo.test' }],
    gives: 'ALREADY_EXISTS',
    saying: /in another project/,
  },
  {
    name: 'a zone is not made inside another project’s',
    given: [shop],
    when: ['dns.CreateZone', { project: 'shop', name: 'a.b.demo.test' }],
    gives: 'FAILED_PRECONDITION',
    saying: /inside the zone demo.test/,
  },
  {
    name: 'a zone is not made around another project’s',
    given: [shop],
    when: ['dns.CreateZone', { project: 'shop', name: 'test' }],
    gives: 'FAILED_PRECONDITION',
    saying: /around/,
  },
  {
    name: 'a zone is made inside one’s own',
    when: zone('sub.demo.test'),
    gives: ['dns.ZoneCreated', 'credit.Reserved'],
  },
  {
    name: 'a zone hides no records of the one around it',
    given: [put('a.sub', 'A', ['192.0.2.1'])],
    when: zone('sub.demo.test'),
    gives: 'FAILED_PRECONDITION',
    saying: /would hide a.sub.demo.test:A/,
  },
  { name: 'a zone’s name is one', when: zone('a..test'), gives: 'INVALID_ARGUMENT', saying: /empty label/ },
  { name: 'the root is no zone', when: zone('.'), gives: 'INVALID_ARGUMENT' },
  {
    name: 'the quota of zones holds',
    given: [['credit.SetQuota', { project: 'default', class: 'zones', limit: 1 }]],
    when: zone('other.test'),
    gives: 'QUOTA_EXCEEDED',
    saying: /1 zones and holds 1/,
  },
  {
    name: 'a zone is changed',
    when: [
      'dns.UpdateZone',
      { project: 'default', name: 'demo.test', minimum: 5, nameservers: ['ns.other.test'] },
    ],
    gives: ['dns.ZoneUpdated'],
  },
  {
    name: 'a zone that is not there is not changed',
    when: ['dns.UpdateZone', { project: 'default', name: 'nope.test' }],
    gives: 'NOT_FOUND',
  },
  {
    name: 'a zone goes with its records',
    given: [
      zone('other.test'),
      [
        'dns.PutRecordSet',
        { project: 'default', zone: 'other.test', name: '@', type: 'A', values: ['192.0.2.1'] },
      ],
    ],
    when: ['dns.DeleteZone', { project: 'default', name: 'other.test' }],
    gives: ['credit.Released', 'dns.RecordSetDeleted', 'dns.ZoneDeleted'],
  },
  { name: 'records are put', when: web, gives: ['dns.RecordSetCreated'] },
  {
    name: 'records are put again',
    given: [web],
    when: put('web.demo.test', 'A', ['192.0.2.2']),
    gives: ['dns.RecordSetChanged'],
  },
  {
    name: 'records are of a zone that is there',
    when: [
      'dns.PutRecordSet',
      { project: 'default', zone: 'x.test', name: 'a', type: 'A', values: ['192.0.2.1'] },
    ],
    gives: 'NOT_FOUND',
  },
  {
    name: 'an absolute name is in the zone',
    when: put('web.other.', 'A', ['192.0.2.1']),
    gives: 'INVALID_ARGUMENT',
    saying: /not in the zone/,
  },
  {
    name: 'a value fits its type',
    when: put('web', 'A', ['192.0.2.1', 'nowhere']),
    gives: 'INVALID_ARGUMENT',
    saying: /values\.1/,
  },
  {
    name: 'a set has 16 values at most',
    when: put(
      'web',
      'A',
      Array.from({ length: 17 }, (_, i) => `192.0.2.${i}`),
    ),
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'a CNAME stands alone',
    given: [web],
    when: put('web', 'CNAME', ['x.test']),
    gives: 'FAILED_PRECONDITION',
    saying: /1034/,
  },
  {
    name: 'nothing stands beside a CNAME',
    given: [put('web', 'CNAME', ['x.test'])],
    when: web,
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'a CNAME is changed',
    given: [put('web', 'CNAME', ['x.test'])],
    when: put('web', 'CNAME', ['y.test']),
    gives: ['dns.RecordSetChanged'],
  },
  {
    name: 'a name has one CNAME',
    when: put('web', 'CNAME', ['x.test', 'y.test']),
    gives: 'INVALID_ARGUMENT',
  },
  { name: 'the zone itself has no CNAME', when: put('@', 'CNAME', ['x.test']), gives: 'FAILED_PRECONDITION' },
  {
    name: 'the zone’s name servers are the zone’s',
    when: put('@', 'NS', ['x.test']),
    gives: 'FAILED_PRECONDITION',
  },
  {
    name: 'the zone itself has addresses',
    when: put('@', 'A', ['192.0.2.1']),
    gives: ['dns.RecordSetCreated'],
  },
  { name: 'a part is delegated', when: put('sub', 'NS', ['ns.x.test']), gives: ['dns.RecordSetCreated'] },
  {
    name: 'a zone inside is delegated to',
    given: [zone('sub.demo.test')],
    when: put('sub', 'NS', ['ns.x.test']),
    gives: ['dns.RecordSetCreated'],
  },
  {
    name: 'what belongs to a zone inside is put there',
    given: [zone('sub.demo.test')],
    when: put('a.sub', 'A', ['192.0.2.1']),
    gives: 'FAILED_PRECONDITION',
    saying: /belongs to the zone sub.demo.test/,
  },
  {
    name: 'records’ instance is there',
    when: put('web', 'A', ['192.0.2.1'], { instance: 'none' }),
    gives: 'NOT_FOUND',
  },
  {
    name: 'a name is not too long',
    when: put(`${'a'.repeat(60)}.`.repeat(4).slice(0, -1), 'A', ['192.0.2.1']),
    gives: 'INVALID_ARGUMENT',
  },
  {
    name: 'records go',
    given: [web],
    when: ['dns.DeleteRecordSet', { project: 'default', zone: 'demo.test', name: 'web', type: 'A' }],
    gives: ['dns.RecordSetDeleted'],
  },
  {
    name: 'records go once',
    when: ['dns.DeleteRecordSet', { project: 'default', zone: 'demo.test', name: 'web', type: 'A' }],
    gives: 'NOT_FOUND',
  },
]

describe('dns', () => {
  it.each(cases)('$name', (example) => {
    play(networked(), example)
  })

  it('holds names and values in their canonical form', () => {
    const scenario = networked()
    const { uid, domainName } = scenario.run(contract, 'PutRecordSet', {
      project: 'default',
      zone: 'demo.test',
      name: 'WEB.demo.TEST.',
      type: 'AAAA',
      values: ['2001:DB8:0::1', '2001:db8::1'],
    })
    expect(domainName).toBe('web.demo.test')
    expect(scenario.state.resource(contract, 'record_set').get(uid)).toMatchObject({
      name: 'web.demo.test:AAAA',
      values: ['2001:db8::1'],
      ttl: 300,
    })
  })

  it('gives a zone what it needs when nothing is said', () => {
    const scenario = bootstrapped()
    const { uid } = scenario.run(contract, 'CreateZone', {
      project: 'default',
      name: 'Demo.Test',
      mailbox: 'dns.admin@demo.test',
    })
    expect(scenario.state.resource(contract, 'zone').get(uid)).toMatchObject({
      name: 'demo.test',
      primary: 'ns1.demo.test',
      nameservers: ['ns1.demo.test'],
      mailbox: 'dns\\.admin.demo.test',
    })
  })

  it('leaves what was published for an instance to the instance', () => {
    const scenario = networked()
    addHost(scenario, 'host-1')
    const request = { project: 'default', name: 'web', image: 'guest', subnet: 'front' }
    scenario.run(vmContract, 'CreateInstance', request)
    const key = { project: 'default', zone: 'demo.test', name: 'web', type: 'A' }
    scenario.rejected(contract, 'PutRecordSet', { ...key, values: ['192.0.2.1'] }, 'FAILED_PRECONDITION')
    scenario.rejected(contract, 'DeleteRecordSet', key, 'FAILED_PRECONDITION')
    const found = scenario.state
      .resource(contract, 'record_set')
      .find('name', nameKey('default', 'web.demo.test:A'))
    expect(found?.values).toEqual(['10.0.0.2'])
  })

  it('does not let an instance take a name that is there', () => {
    const scenario = networked()
    addHost(scenario, 'host-1')
    scenario.run(contract, 'PutRecordSet', {
      project: 'default',
      zone: 'demo.test',
      name: 'web',
      type: 'A',
      values: ['192.0.2.1'],
    })
    const request = { project: 'default', name: 'web', image: 'guest', subnet: 'front' }
    scenario.rejected(vmContract, 'CreateInstance', request, 'ALREADY_EXISTS')
  })

  it('decodes a stored sample of every event', async () => {
    expect(await checkSamples('dns')).toBeGreaterThanOrEqual(Object.keys(contract.events).length)
  })
})
