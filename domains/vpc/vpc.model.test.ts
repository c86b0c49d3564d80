import { array, assert, constantFrom, integer, oneof, option, property, record } from 'fast-check'
import { expect, test } from 'vitest'
import { formatAddress, lowestFreeAddress, parseAddress, takenSums } from '../kernel/ipv4.ts'
import { MemoryTable } from '../kernel/memory_table.ts'
import { Journal } from '../kernel/table.ts'
import { networked } from '../testing.ts'
import { attempt } from '../testing_model.ts'
import contract from './contract.ts'

const names = Array.from({ length: 12 }, (_, n) => `p${n}`)
const subnets = ['one', 'two', 'twin'] as const
const firsts = { one: '10.0.1.0', two: '10.0.1.8', twin: '10.0.1.0' } as const

const action = oneof(
  record({
    do: constantFrom('allocate' as const),
    name: constantFrom(...names),
    subnet: constantFrom(...subnets),
    offset: option(integer({ min: -1, max: 8 }), { nil: undefined }),
  }),
  record({ do: constantFrom('release' as const), name: constantFrom(...names) }),
)

test('no address is held twice or lost, and the lowest that is free is given', () => {
  const law = property(array(action, { maxLength: 40, size: 'max' }), (actions) => {
    const scenario = networked()
    const create = (type: string, request: object): unknown =>
      expect(attempt(scenario, [`vpc.${type}`, { project: 'default', ...request }]).accepted).toBe(true)
    create('CreateSubnet', { name: 'one', vpc: 'net', cidr: '10.0.1.0/29' })
    create('CreateSubnet', { name: 'two', vpc: 'net', cidr: '10.0.1.8/29' })
    create('CreateVpc', { name: 'other', cidr: '10.0.0.0/16' })
    create('CreateSubnet', { name: 'twin', vpc: 'other', cidr: '10.0.1.0/29' })
    const held = new Map<string, { subnet: keyof typeof firsts; address: number }>()
    for (const one of actions) {
      if (one.do === 'release') {
        const { accepted } = attempt(scenario, ['vpc.ReleasePort', { project: 'default', name: one.name }])
        expect(accepted).toBe(held.delete(one.name))
        continue
      }
      const { name, subnet, offset } = one
      const first = parseAddress(firsts[subnet])
      const taken = [...held.values()].filter((port) => port.subnet === subnet).map(({ address }) => address)
      const free = [2, 3, 4, 5, 6].map((host) => first + host).filter((address) => !taken.includes(address))
      const wanted = offset === undefined ? free[0] : free.find((address) => address === first + offset)
      const tried = attempt(scenario, [
        'vpc.AllocatePort',
        {
          ...{ project: 'default', name, subnet },
          ...(offset === undefined ? {} : { address: formatAddress(first + offset) }),
        },
      ])
      expect(tried.accepted).toBe(wanted !== undefined && !held.has(name))
      if (!tried.accepted && offset === undefined && !held.has(name))
        expect(tried.code).toBe('POOL_EXHAUSTED')
      if (!tried.accepted || wanted === undefined) continue
      expect(tried.result['address']).toBe(formatAddress(wanted))
      held.set(name, { subnet, address: wanted })
    }
    const ports = [...scenario.state.resource(contract, 'port').values()]
    expect(new Map(ports.map(({ name, address }) => [name, address]))).toEqual(
      new Map([...held].map(([name, { address }]) => [name, formatAddress(address)])),
    )
    const vpcOf = (subnet: string) => scenario.state.resource(contract, 'subnet').get(subnet)?.vpc
    expect(new Set(ports.map(({ subnet, mac }) => `${vpcOf(subnet)} ${mac}`)).size).toBe(ports.length)
    scenario.checkReplay()
  })
  assert(law, { numRuns: 80 })
})

interface Row {
  readonly address: number
}

test('the lowest free address is that of a search one by one', () => {
  const address = integer({ min: 0, max: 5000 })
  const law = property(
    array(address, { maxLength: 400 }),
    address,
    integer({ min: 0, max: 300 }),
    (taken, from, size) => {
      const unique = { address: ({ address }: Row) => `g ${address}` }
      const sum = takenSums<Row>(({ address }) => ['g', address])
      const table = new MemoryTable<Row, 'address', never, keyof typeof sum>(
        'rows',
        { unique, sum },
        new Journal(),
      )
      const within = [...new Set(taken)].filter((one) => one >= from && one <= from + size)
      for (const one of within) table.put(String(one), { address: one })
      let expected: number | undefined
      for (let one = from; one <= from + size && expected === undefined; one++)
        if (!within.includes(one)) expected = one
      expect(lowestFreeAddress(table, 'g', from, from + size)).toBe(expected)
    },
  )
  assert(law, { numRuns: 300 })
})
