import type { RowOf } from '../../kernel/contract.ts'
import type { Context, Decide } from '../../kernel/domain.ts'
import { nameKey } from '../../kernel/domain.ts'
import { reject } from '../../kernel/rejection.ts'
import vmContract from '../../vm/contract.ts'
import contract, { type recordSet, type zone } from '../contract.ts'
import { isBelow, requireName, suffixes } from '../names.ts'
import { normalizeValue } from '../records.ts'
import type state from '../state.ts'
import { nameInZone } from '../state.ts'

type Zone = RowOf<typeof zone>
type RecordSet = RowOf<typeof recordSet>
type Type = RecordSet['type']

export const recordSets: Pick<Decide<typeof state>, 'PutRecordSet' | 'DeleteRecordSet'> = {
  PutRecordSet: ({ project, labels, type, ttl, ...request }, context) => {
    const zone = context.need(contract, 'zone', project, requireName('zone', request.zone))
    const domainName = nameOf(zone, request.name)
    const values = normalValues(type, request.values)
    const instance = request.instance ?? null
    if (instance !== null) requireInstanceOf(context, project, instance)
    requireServed(context, zone, domainName, type)
    const name = `${domainName}:${type}`
    if (context.state.record_set.find('name', nameKey(project, name)) === undefined) {
      requireNoConflict(context, zone, domainName, type)
      const uid = context.uid()
      context.emit('RecordSetCreated', {
        uid,
        project,
        name,
        labels,
        zone: zone.uid,
        domainName,
        type,
        ttl,
        values,
        instance,
      })
      return { uid, domainName }
    }
    if (instance !== null) reject('ALREADY_EXISTS', `${domainName} has ${type} records already`)
    const found = context.target('record_set', project, name)
    requireIn(zone, found)
    requireFree(context, found)
    context.emit('RecordSetChanged', { uid: found.uid, labels, ttl, values })
    return { uid: found.uid, domainName }
  },
  DeleteRecordSet: ({ project, zone: zoneName, name, type }, context) => {
    const zone = context.need(contract, 'zone', project, requireName('zone', zoneName))
    const found = context.target('record_set', project, `${nameOf(zone, name)}:${type}`)
    requireIn(zone, found)
    requireFree(context, found)
    context.remove(contract, 'record_set', found.uid)
    return { uid: found.uid }
  },
}

/** `@`, an absolute name (it ends in a dot or in the zone’s name), or one inside the zone. */
function nameOf(zone: Zone, given: string): string {
  if (given === '@') return zone.name
  const name = requireName('name', given)
  if (name === zone.name || isBelow(name, zone.name)) return name
  if (given.endsWith('.'))
    return reject('INVALID_ARGUMENT', `name: ${given} is not in the zone ${zone.name}`, { field: 'name' })
  return requireName('name', `${name}.${zone.name}`)
}

function normalValues(type: Type, values: readonly string[]): string[] {
  const normal = values.map((value, i) => {
    const parsed = normalizeValue(type, value)
    return parsed.ok
      ? parsed.value
      : reject('INVALID_ARGUMENT', `values.${i}: ${parsed.message}`, { field: `values.${i}` })
  })
  const distinct = [...new Set(normal)]
  if (type === 'CNAME' && distinct.length > 1)
    reject('INVALID_ARGUMENT', 'values: a name has one CNAME at most (RFC 2181 section 10.1)', {
      field: 'values',
    })
  return distinct
}

/** What a zone inside this one answers for, or the zone row itself stands for, would never be seen. */
function requireServed(context: Context<typeof state>, zone: Zone, domainName: string, type: Type): void {
  if (domainName === zone.name) {
    if (type === 'NS')
      reject(
        'FAILED_PRECONDITION',
        `the NS records of ${zone.name} are the zone’s name servers: update the zone`,
      )
    if (type === 'CNAME')
      reject(
        'FAILED_PRECONDITION',
        `${zone.name} has an SOA record, so it cannot have a CNAME (RFC 1034 section 3.6.2)`,
      )
    return
  }
  const nearest = suffixes(domainName).find((name) => context.state.zone.find('domain', name) !== undefined)
  if (nearest === undefined || nearest === zone.name || (nearest === domainName && type === 'NS')) return
  reject('FAILED_PRECONDITION', `${domainName} belongs to the zone ${nearest}: put it there`, {
    zone: nearest,
  })
}

/** RFC 1034 section 3.6.2: where there is a CNAME there is nothing else. */
function requireNoConflict(context: Context<typeof state>, zone: Zone, domainName: string, type: Type): void {
  const others = context.state.record_set.list('domainName', nameInZone(zone.uid, domainName))
  const conflict = type === 'CNAME' ? others[0] : others.find((other) => other.type === 'CNAME')
  if (conflict !== undefined)
    reject(
      'FAILED_PRECONDITION',
      `${domainName} has ${conflict.type} records, and a CNAME stands alone (RFC 1034 section 3.6.2)`,
      { recordSet: conflict.name },
    )
}

/** A name can be in a zone and in the one around it; its records are in one of them. */
function requireIn(zone: Zone, { name, zone: held }: RecordSet): void {
  if (held !== zone.uid)
    reject('NOT_FOUND', `dns.record_set ${name} is not in the zone ${zone.name}`, { name })
}

function requireInstanceOf(context: Context, project: string, uid: string): void {
  if (context.resource(vmContract, 'instance').get(uid)?.project !== project)
    reject('NOT_FOUND', `vm.instance ${uid} does not exist in project ${project}`)
}

function requireFree(context: Context, { name, instance }: RecordSet): void {
  if (instance === null) return
  const holder = context.resource(vmContract, 'instance').get(instance)?.name ?? instance
  reject('FAILED_PRECONDITION', `${name} is published for instance ${holder}, and goes with it`, {
    instance: holder,
  })
}
