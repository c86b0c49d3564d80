import { describe, expect, it } from 'vitest'
import { type Host, place, type Size } from './place.ts'

function host(name: string, more: Partial<Host> = {}): Host {
  return {
    uid: `uid of ${name}`,
    name,
    labels: {},
    serviceAccount: null,
    vcpus: 2,
    memoryMebibytes: 1000,
    acceleration: 'tcg',
    policy: 'in-service',
    health: 'up',
    healthReason: '',
    conditions: [],
    quarantined: [],
    address: '',
    revision: 1,
    createdRevision: 1,
    createdAt: 0,
    updatedAt: 0,
    ...more,
  }
}

const small: Size = { vcpus: 1, memoryMebibytes: 100 }
const held = (usage: Record<string, Size>) => (uid: string) =>
  usage[uid.replace('uid of ', '')] ?? { vcpus: 0, memoryMebibytes: 0 }

describe('placement', () => {
  it('chooses the host of which least is given out', () => {
    const usage = held({ a: { vcpus: 1, memoryMebibytes: 500 }, b: { vcpus: 1, memoryMebibytes: 200 } })
    const { chosen, explanations } = place([host('b'), host('a')], usage, small)
    expect(chosen?.name).toBe('b')
    expect(explanations).toEqual([
      { host: 'a', chosen: false, reason: 'fits, but b is better: here 50 % is given out, tcg' },
      { host: 'b', chosen: true, reason: '20 % is given out, tcg' },
    ])
  })

  it('counts whichever of memory and CPU is scarcer', () => {
    const usage = held({ a: { vcpus: 6, memoryMebibytes: 100 }, b: { vcpus: 1, memoryMebibytes: 700 } })
    expect(place([host('a'), host('b')], usage, small).chosen?.name).toBe('b')
  })

  it('prefers hardware acceleration among equals, then the name', () => {
    expect(place([host('a'), host('b', { acceleration: 'kvm' })], held({}), small).chosen?.name).toBe('b')
    expect(place([host('b'), host('a')], held({}), small).chosen?.name).toBe('a')
  })

  it('says of every host why not', () => {
    const hosts = [
      host('drained', { policy: 'no-provision' }),
      host('full'),
      host('narrow', { vcpus: 1, memoryMebibytes: 5000 }),
      host('silent', { health: 'suspected', healthReason: 'not heard of for 15 s' }),
      host('worn', { memoryMebibytes: 5000 }),
    ]
    const usage = held({
      full: { vcpus: 0, memoryMebibytes: 900 },
      worn: { vcpus: 7, memoryMebibytes: 0 },
    })
    const { chosen, explanations } = place(hosts, usage, { vcpus: 2, memoryMebibytes: 200 })
    expect(chosen).toBeUndefined()
    expect(Object.fromEntries(explanations.map((row) => [row.host, row.reason]))).toEqual({
      drained: 'its policy is no-provision',
      full: '200 MiB of memory are wanted, and 100 of 1000 are free',
      narrow: '2 vCPUs are wanted for one instance, and it has 1',
      silent: 'it is suspected: not heard of for 15 s',
      worn: '2 vCPUs are wanted, and 1 of 8 (2 × 4) are free',
    })
  })

  it('never chooses a host whose inventory shrank below what it holds', () => {
    const usage = held({ a: { vcpus: 0, memoryMebibytes: 2000 } })
    expect(place([host('a')], usage, small).explanations[0]?.reason).toMatch(/and 0 of 1000 are free/)
  })
})
