import { array, assert, constantFrom, oneof, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { bootstrapped } from '../testing.ts'
import { attempt } from '../testing_model.ts'
import contract from './contract.ts'

const projects = ['default', 'shop'] as const
const zones = ['test', 'demo.test', 'sub.demo.test', 'other.test'] as const
const names = ['demo.test', 'a.demo.test', 'sub.demo.test', 'a.sub.demo.test', 'a.other.test'] as const
const values = { A: '192.0.2.1', TXT: '"hello"', CNAME: 'x.example.', NS: 'ns.example.' } as const
type Type = keyof typeof values

const project = constantFrom(...projects)
const zone = constantFrom(...zones)
const name = constantFrom(...names)
const type = constantFrom<Type>('A', 'TXT', 'CNAME', 'NS')
const action = oneof(
  { weight: 2, arbitrary: record({ do: constantFrom('create' as const), project, zone }) },
  { weight: 1, arbitrary: record({ do: constantFrom('remove' as const), project, zone }) },
  {
    weight: 6,
    arbitrary: record({
      do: constantFrom('put' as const, 'put' as const, 'drop' as const),
      project: constantFrom('default' as const),
      zone: constantFrom(zones[1], zones[2]),
      name,
      type,
    }),
  },
)

const within = (name: string, zone: string): boolean => name === zone || name.endsWith(`.${zone}`)

class Model {
  /** Who has a zone. */
  readonly zones = new Map<string, string>()
  /** `zone name type`, of what is there. */
  readonly records = new Set<string>()

  canCreate(project: string, zone: string): boolean {
    for (const [other, owner] of this.zones) {
      if (other === zone) return false
      if (owner !== project && (within(zone, other) || within(other, zone))) return false
      const hidden = [...this.records].some((key) => {
        const [of, name = '', type] = key.split(' ')
        return of === other && within(zone, other) && within(name, zone) && !(name === zone && type === 'NS')
      })
      if (hidden) return false
    }
    return true
  }

  canPut(project: string, zone: string, name: string, type: Type): boolean {
    if (this.zones.get(zone) !== project || !within(name, zone)) return false
    if (name === zone) return type !== 'NS' && type !== 'CNAME' && !this.#conflicts(zone, name, type)
    const nearest = [...this.zones.keys()]
      .filter((other) => within(name, other))
      .sort((a, b) => b.length - a.length)[0]
    if (nearest !== zone && !(nearest === name && type === 'NS')) return false
    return !this.#conflicts(zone, name, type)
  }

  #conflicts(zone: string, name: string, type: Type): boolean {
    return Object.keys(values).some(
      (other) =>
        other !== type &&
        this.records.has(`${zone} ${name} ${other}`) &&
        (type === 'CNAME' || other === 'CNAME'),
    )
  }
}

test('zones and records are as a simpler model says', () => {
  const law = property(array(action, { maxLength: 60, size: 'max' }), (actions) => {
    const scenario = bootstrapped()
    const model = new Model()
    attempt(scenario, ['iam.CreateProject', { organization: 'default', name: 'shop' }])
    for (const one of actions) {
      const { project, zone } = one
      switch (one.do) {
        case 'create': {
          const { accepted } = attempt(scenario, ['dns.CreateZone', { project, name: zone }])
          expect(accepted).toBe(model.canCreate(project, zone))
          if (accepted) model.zones.set(zone, project)
          break
        }
        case 'remove': {
          const { accepted } = attempt(scenario, ['dns.DeleteZone', { project, name: zone }])
          expect(accepted).toBe(model.zones.get(zone) === project)
          if (!accepted) break
          model.zones.delete(zone)
          for (const key of model.records) if (key.startsWith(`${zone} `)) model.records.delete(key)
          break
        }
        case 'put': {
          const { name, type } = one
          const request = { project, zone, name: `${name}.`, type, values: [values[type]] }
          const { accepted } = attempt(scenario, ['dns.PutRecordSet', request])
          expect(accepted).toBe(model.canPut(project, zone, name, type))
          if (accepted) model.records.add(`${zone} ${name} ${type}`)
          break
        }
        case 'drop': {
          const { name, type } = one
          const request = { project, zone, name: `${name}.`, type }
          const { accepted } = attempt(scenario, ['dns.DeleteRecordSet', request])
          const there = model.zones.get(zone) === project && model.records.delete(`${zone} ${name} ${type}`)
          expect(accepted).toBe(there)
        }
      }
    }
    const byUid = scenario.state.resource(contract, 'zone')
    const records = [...scenario.state.resource(contract, 'record_set').values()].map(
      ({ zone, domainName, type }) => `${byUid.get(zone)?.name} ${domainName} ${type}`,
    )
    expect(new Set(records)).toEqual(model.records)
    expect(records.length).toBe(model.records.size)
    expect(new Map([...byUid.values()].map(({ name, project }) => [name, project]))).toEqual(model.zones)
    scenario.checkReplay()
  })
  assert(law, { numRuns: 150 })
})
