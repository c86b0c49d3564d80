import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { command, contract, created, deleted, event, Name, owner, resource, uses } from './contract.ts'
import { domain, state, table } from './domain.ts'
import type { Rejection } from './rejection.ts'
import libraryDomain, { library } from './sample/index.ts'
import { Scenario } from './testing.ts'

const pair = { first: [1, Name], second: [2, Name], shelf: [3, Name] } as const
const tries = contract({
  name: 'tries',
  doc: 'A domain that takes the rejections of others and goes on.',
  resources: {},
  commands: {
    AddPairIfPossible: command({
      doc: 'Adds two books, if both fit',
      permission: 'tries.pairs.create',
      scope: 'system',
      request: pair,
      result: { code: [1, z.string()] },
    }),
    CountTwice: command({
      doc: 'Emits an event that evolve takes only half',
      permission: 'tries.counts.create',
      scope: 'system',
      request: {},
      result: {},
    }),
  },
  events: {
    Tried: event({ code: [1, z.string()] }),
    Counted: event({ times: [1, z.int()] }),
  },
})
const spec = state(tries, {}, { codes: table<{ readonly code: string }>()({}) })
const triesDomain = domain({
  state: spec,
  decide: {
    AddPairIfPossible: (request, context) => {
      let code = ''
      try {
        context.run(library, 'AddPair', request)
      } catch (error) {
        code = (error as Rejection).code
      }
      context.emit('Tried', { code })
      return { code }
    },
    CountTwice: (_request, context) => {
      try {
        context.emit('Counted', { times: 2 })
      } catch {
        context.emit('Tried', { code: 'counting failed' })
      }
      return {}
    },
  },
  evolve: {
    Tried: ({ codes }, { code }) => codes.put('last', { code }),
    Counted: ({ codes }, { times }) => {
      codes.put('counted', { code: String(times) })
      throw new Error('it cannot count so far')
    },
  },
})

describe('a decision that takes the rejection of what it composes', () => {
  it('keeps nothing of what was rejected', () => {
    const scenario = new Scenario([libraryDomain, triesDomain])
    scenario.run(library, 'CreateShelf', { name: 'top', capacity: 1 })
    const request = { first: 'one', second: 'two', shelf: 'top' }
    expect(scenario.run(tries, 'AddPairIfPossible', request)).toEqual({ code: 'QUOTA_EXCEEDED' })
    expect(scenario.events.map(({ type }) => type)).toEqual(['tries.Tried'])
    expect(scenario.state.resource(library, 'book').size).toBe(0)
    scenario.checkReplay()
  })

  it('keeps nothing of an event that evolve took half', () => {
    const scenario = new Scenario([libraryDomain, triesDomain])
    scenario.run(tries, 'CountTwice', {})
    expect(scenario.events.map(({ type }) => type)).toEqual(['tries.Tried'])
    scenario.checkReplay()
  })
})

const node = resource({
  doc: 'A node of a graph',
  plural: 'nodes',
  scope: 'system',
  fields: {
    parent: [10, owner('graph.node').nullable()],
    neighbours: [11, z.array(uses('graph.node')).max(8)],
  },
})
const graph = contract({
  name: 'graph',
  doc: 'Anything that refers to anything.',
  resources: { node },
  commands: {
    Put: command({
      doc: 'Makes a node',
      permission: 'graph.nodes.create',
      scope: 'system',
      request: { name: [1, Name], parent: [2, Name.optional()], neighbours: [3, z.array(Name).default([])] },
      result: {},
    }),
    Delete: command({
      doc: 'Deletes a node and what it owns',
      permission: 'graph.nodes.delete',
      scope: 'system',
      request: { name: [1, Name] },
      result: {},
    }),
  },
  events: { NodePut: created(node), NodeDeleted: deleted(node) },
})
const graphDomain = domain({
  state: state(graph, {}, {}),
  decide: {
    Put: ({ name, parent, neighbours }, context) => {
      const uidOf = (of: string): string => context.need(graph, 'node', '', of).uid
      context.emit('NodePut', {
        uid: context.uid(),
        name,
        labels: {},
        parent: parent === undefined ? null : uidOf(parent),
        neighbours: neighbours.map(uidOf),
      })
      return {}
    },
    Delete: ({ name }, context) => {
      context.remove(graph, 'node', context.need(graph, 'node', '', name).uid)
      return {}
    },
  },
  evolve: {},
})

describe('a deletion', () => {
  const made = (): Scenario => {
    const scenario = new Scenario([graphDomain])
    scenario.run(graph, 'Put', { name: 'root' })
    scenario.run(graph, 'Put', { name: 'left', parent: 'root' })
    scenario.run(graph, 'Put', { name: 'right', parent: 'root', neighbours: ['left', 'left', 'root'] })
    scenario.run(graph, 'Put', { name: 'leaf', parent: 'left', neighbours: ['right'] })
    return scenario
  }
  const names = (scenario: Scenario): readonly string[] =>
    [...scenario.state.resource(graph, 'node').values()].map(({ name }) => name)

  it('is not blocked by what uses it from inside of what is deleted', () => {
    const scenario = made()
    scenario.run(graph, 'Delete', { name: 'root' })
    expect(names(scenario)).toEqual([])
    scenario.checkReplay()
  })

  it('is blocked by one of many references of an array, and names who uses what', () => {
    const scenario = made()
    scenario.run(graph, 'Put', { name: 'outside', neighbours: ['leaf', 'right'] })
    const rejection = scenario.rejected(graph, 'Delete', { name: 'root' }, 'IN_USE')
    expect(rejection.message).toContain('graph.node outside uses graph.node leaf')
    expect(rejection.message).toContain('graph.node outside uses graph.node right')
    scenario.run(graph, 'Delete', { name: 'outside' })
    scenario.run(graph, 'Delete', { name: 'root' })
    expect(names(scenario)).toEqual([])
  })

  it('of a middle takes only what that owns, and references follow an undo', () => {
    const scenario = made()
    scenario.rejected(graph, 'Delete', { name: 'left' }, 'IN_USE')
    scenario.rejected(graph, 'Delete', { name: 'right' }, 'IN_USE')
    scenario.run(graph, 'Delete', { name: 'leaf' })
    scenario.run(graph, 'Delete', { name: 'right' })
    scenario.run(graph, 'Delete', { name: 'left' })
    expect(names(scenario)).toEqual(['root'])
    scenario.checkReplay()
  })
})
