import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  message,
  owner,
  referenceOf,
  resource,
  uses,
} from './contract.ts'
import { domain, state } from './domain.ts'
import { Registry } from './registry.ts'
import libraryDomain from './sample/index.ts'

describe('a contract', () => {
  it('refuses two fields of one number, and numbers that are none', () => {
    expect(() => message({ a: [1, z.string()], b: [1, z.string()] })).toThrow(/a and b share the number 1/)
    expect(() => message({ a: [0, z.string()] })).toThrow(/no field number/)
  })

  it('refuses resource fields below 10, and optional ones', () => {
    const of = (fields: Parameters<typeof resource>[0]['fields']) => () =>
      resource({ doc: '', plural: 'things', scope: 'system', fields })
    expect(of({ size: [5, z.int()] })).toThrow(/below 10/)
    expect(of({ size: [10, z.int().optional()] })).toThrow(/nullable/)
  })

  it('refuses a command whose scope it cannot tell', () => {
    const spec = { doc: 'x', permission: 'a.b.c', scope: 'project', request: {}, result: {} } as const
    expect(() => command(spec)).toThrow(/needs a field of that name/)
  })

  it('refuses a resource that nothing creates, or that two events delete', () => {
    const thing = resource({ doc: '', plural: 'things', scope: 'system', fields: {} })
    const of = (events: object) => () =>
      contract({ name: 'x', doc: '', resources: { thing }, commands: {}, events: events as never })
    expect(of({ Deleted: deleted(thing) })).toThrow(/0 events with the effect created/)
    expect(of({ Created: created(thing), A: deleted(thing), B: deleted(thing) })).toThrow(
      /2 events with the effect deleted/,
    )
  })

  it('finds references through nullable, default and array', () => {
    expect(referenceOf(uses('a.b').nullable())).toEqual({ mode: 'uses', target: 'a.b' })
    expect(referenceOf(z.array(owner('a.b')).default([]))).toEqual({ mode: 'owner', target: 'a.b' })
    expect(referenceOf(z.string())).toBeUndefined()
  })
})

describe('a registry', () => {
  it('refuses a reference to what is not there, and two domains of one name', () => {
    const thing = resource({
      doc: '',
      plural: 'things',
      scope: 'system',
      fields: { of: [10, uses('no.where')] },
    })
    const lost = contract({
      name: 'lost',
      doc: '',
      resources: { thing },
      commands: {},
      events: { Made: created(thing), Gone: deleted(thing) },
    })
    expect(() => new Registry([domain({ state: state(lost, {}, {}), decide: {}, evolve: {} })])).toThrow(
      /no.where, which is not there/,
    )
    expect(() => new Registry([libraryDomain, libraryDomain])).toThrow(/share a name/)
  })
})
