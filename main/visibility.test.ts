import { describe, expect, test } from 'vitest'
import dns from '../domains/dns/contract.ts'
import iam from '../domains/iam/contract.ts'
import type { Actor } from '../domains/kernel/domain.ts'
import { Engine } from '../domains/kernel/engine.ts'
import type { Kind } from '../domains/kernel/registry.ts'
import { newCommandId } from '../domains/kernel/uuid.ts'
import { loadDomains } from '../domains/load.ts'
import type { LogEntryView } from '../edges/control_plane.ts'
import { Sight } from './sight.ts'
import { placeOf, sinceRevision, visible } from './visibility.ts'

const registry = await loadDomains()
const root: Actor = { principal: 'process:test', kind: 'process' }

/** An engine with the projects `red` and `blue`, each with a zone, and users with a role in one of them. */
class World {
  readonly engine = new Engine(registry)
  readonly entries: LogEntryView[] = []

  constructor() {
    this.run('iam.Bootstrap', {})
    for (const project of ['red', 'blue']) {
      this.run('iam.CreateProject', { organization: 'default', name: project })
      this.run('dns.CreateZone', { project, name: `${project}.test` })
    }
  }

  run(type: string, data: object): Readonly<Record<string, unknown>> {
    const revision = this.entries.length + 1
    const place = { revision, now: revision, seed: newCommandId() }
    const outcome = this.engine.decide({ type, data, actor: root, commandId: '' }, place)
    if (outcome.kind !== 'decided') throw new Error(`${type} was decided before`)
    const { command, request, events } = outcome.record
    this.entries.push({
      revision,
      time: revision,
      command,
      actor: root,
      commandId: '',
      cause: '',
      request,
      events,
    })
    return outcome.record.result
  }

  user(name: string, role: string, project?: string): Actor {
    const { uid } = this.run('iam.CreateUser', { name })
    if (project === undefined) this.run('iam.CreateBinding', { user: name, role })
    else this.run('iam.CreateProjectBinding', { project, user: name, role })
    return { principal: String(uid), kind: 'user' }
  }

  since(project: string): number {
    return this.engine.state.resource(iam, 'project').find('name', `/${project}`)?.createdRevision ?? 0
  }
}

function kind(id: string): Kind {
  const found = registry.kinds.get(id)
  if (found === undefined) throw new Error(`there is no kind ${id}`)
  return found
}

const zone = kind('dns.zone')
const denied = expect.objectContaining({ code: 'PERMISSION_DENIED' }) as Error

describe('what an actor may see', () => {
  test('is everything with the permission for the system', () => {
    const world = new World()
    const viewer = world.user('ann', 'viewer')
    for (const each of registry.kinds.values())
      expect(visible(world.engine, viewer, each, undefined)).toBeUndefined()
    expect(visible(world.engine, viewer, zone, 'red')).toBeUndefined()
  })

  test('is its own projects, each since it was made', () => {
    const world = new World()
    const viewer = world.user('ann', 'viewer', 'red')
    const { engine } = world
    const own = { red: world.since('red') }
    expect(visible(engine, viewer, zone, undefined)).toEqual({ column: 'project', since: own })
    expect(visible(engine, viewer, zone, 'red')).toEqual({ column: 'project', since: own })
    expect(visible(engine, viewer, kind('iam.project'), undefined)).toEqual({ column: 'name', since: own })
    expect(() => visible(engine, viewer, zone, 'blue')).toThrow(denied)
    expect(() => visible(engine, viewer, zone, 'nowhere')).toThrow(denied)
    for (const id of ['iam.user', 'iam.token', 'iam.organization', 'vm.host'])
      expect(() => visible(engine, viewer, kind(id), undefined), id).toThrow(denied)
  })

  test('is every image and the roles of every cloud, with the permission for some project', () => {
    const world = new World()
    world.run('iam.CreateRole', { name: 'own', permissions: ['dns.*'] })
    const editor = world.user('ann', 'editor', 'red')
    expect(visible(world.engine, editor, kind('vm.image'), undefined)).toBeUndefined()
    const roles = visible(world.engine, editor, kind('iam.role'), undefined)
    expect(Object.keys(roles?.since ?? {})).toEqual([
      'admin',
      'owner',
      'editor',
      'viewer',
      'host',
      'balancer',
      'dns',
    ])
    const dns = world.user('bob', 'dns', 'red')
    for (const id of ['vm.image', 'iam.role'])
      expect(() => visible(world.engine, dns, kind(id), undefined), id).toThrow(denied)
  })

  test('begins anew with a project of the same name', () => {
    const world = new World()
    const before = world.since('red')
    world.run('dns.DeleteZone', { project: 'red', name: 'red.test' })
    world.run('iam.DeleteProject', { project: 'red' })
    world.run('iam.CreateProject', { organization: 'default', name: 'red' })
    const owner = world.user('ann', 'owner', 'red')
    const place = placeOf(zone, 'red.test', 'red')
    expect(world.since('red')).toBeGreaterThan(before)
    expect(sinceRevision(world.engine, owner, zone, place)).toBe(world.since('red'))
    expect(sinceRevision(world.engine, world.user('bob', 'viewer'), zone, place)).toBe(0)
  })

  test('is nothing without a binding', () => {
    const world = new World()
    const { uid } = world.run('iam.CreateUser', { name: 'ann' })
    const nobody: Actor = { principal: String(uid), kind: 'user' }
    for (const each of registry.kinds.values())
      expect(() => visible(world.engine, nobody, each, undefined), each.id).toThrow(denied)
  })
})

describe('what an actor sees of an entry', () => {
  const both = (world: World): LogEntryView => {
    const [first, second] = world.entries.filter(({ command }) => command === 'dns.CreateZone')
    if (first === undefined || second === undefined) throw new Error('there are no zones')
    return { ...first, events: [...first.events, ...second.events] }
  }

  test('is all of it with every permission', () => {
    const world = new World()
    expect(new Sight(world.engine, world.user('ann', 'viewer')).of(both(world))).toEqual(both(world))
  })

  test('is the events about rows that it may read, and then not the request', () => {
    const world = new World()
    const seen = new Sight(world.engine, world.user('ann', 'viewer', 'blue')).of(both(world))
    expect(seen.request).toEqual({})
    expect(seen.events.map(({ data }) => data['project'])).toEqual(['blue', 'blue'])
  })

  test('is also what is gone, by the entry that made it; else nothing of it', () => {
    const world = new World()
    const viewer = world.user('ann', 'viewer', 'blue')
    world.run('dns.DeleteZone', { project: 'blue', name: 'blue.test' })
    const last = world.entries.at(-1)
    if (last === undefined) throw new Error('there are no entries')
    expect(world.engine.state.resource(dns, 'zone').size).toBe(1)
    expect(new Sight(world.engine, viewer).of(last).events).toEqual([])
    const sight = new Sight(world.engine, viewer)
    for (const entry of world.entries) sight.of(entry)
    expect(sight.of(last)).toEqual(last)
  })
})
