import iam from '../../../domains/iam/contract.ts'
import type { Contract, RowOf } from '../../../domains/kernel/contract.ts'
import { type Actor, nameKey } from '../../../domains/kernel/domain.ts'
import { Engine } from '../../../domains/kernel/engine.ts'
import { encodeRecord, type LogRecord } from '../../../domains/kernel/record.ts'
import type { Registry } from '../../../domains/kernel/registry.ts'
import vm from '../../../domains/vm/contract.ts'

const PROJECT = 'default'
const ZONE = 'bench.test'
const HOSTS = 4
/** Instances that are there at a time. */
const INSTANCES = 500
const INSTANCES_A_SUBNET = 200
const RECORDS_AN_INSTANCE = 4
/** Between two commands. */
const STEP_MS = 1

const root: Actor = { principal: 'process:bench', kind: 'process' }
/** Entries are as large as a person's are. */
const PERSON = { actor: '019a2b3c-0000-7abc-8def-0123456789ab', actorKind: 'user' } as const

/**
 * The payloads of the log of a cloud that lives: networks, and instances that come, run, are stopped and go, with their ports,
 * reservations and names, besides records that are put and changed. Every entry is a decision of the domains.
 */
export class CloudLife {
  readonly #engine: Engine
  readonly #payloads: Uint8Array[] = []
  #revision: number
  #now = 1_700_000_000_000
  #step = 0
  /** Events so far. */
  events = 0

  /** `revision` is that of the last entry before. */
  constructor(registry: Registry, revision: number) {
    this.#engine = new Engine(registry)
    this.#revision = revision
    const history = '00000000-0000-4000-8000-000000000001'
    this.#apply({ kind: 'history', time: this.#now, history, parent: '', parentRevision: 0 })
    this.#run(iam, 'Bootstrap', {})
    this.#run(vm, 'RegisterImage', { name: 'guest' })
    this.#runIn('dns', 'CreateZone', { name: ZONE })
    for (const each of ['instances', 'vcpus', 'memory-mib', 'ports'])
      this.#runIn('credit', 'SetQuota', { class: each, limit: 1_000_000_000 })
    for (let host = 0; host < HOSTS; host++) {
      const size = { vcpus: 1024, memoryMebibytes: 1 << 24 }
      this.#run(vm, 'RegisterHost', { name: `host-${host}`, acceleration: 'kvm', ...size })
    }
  }

  /** The payloads of what happens next, in order. */
  next(): readonly Uint8Array[] {
    const step = this.#step++
    const subnet = Math.floor(step / INSTANCES_A_SUBNET)
    if (step % INSTANCES_A_SUBNET === 0) {
      this.#runIn('vpc', 'CreateVpc', { name: `net-${subnet}`, cidr: '10.0.0.0/16', dnsZone: ZONE })
      const network = { vpc: `net-${subnet}`, cidr: '10.0.0.0/24' }
      this.#runIn('vpc', 'CreateSubnet', { name: `front-${subnet}`, ...network })
    }
    const size = { vcpus: 1, memoryMebibytes: 256 }
    const name = `web-${step}`
    this.#runIn('vm', 'CreateInstance', { name, image: 'guest', subnet: `front-${subnet}`, ...size })
    this.#report(name, 'running')
    for (let record = 0; record < RECORDS_AN_INSTANCE; record++)
      this.#putRecord(`r-${step}-${record}`, '192.0.2.1')
    this.#putRecord(`r-${step >> 1}-0`, '192.0.2.2')
    if (step >= INSTANCES) this.#end(`web-${step - INSTANCES}`, step % 2 === 0)
    return this.#payloads.splice(0)
  }

  #end(name: string, isStoppedFirst: boolean): void {
    if (isStoppedFirst) {
      this.#runIn('vm', 'StopInstance', { name })
      this.#report(name, 'stopped')
    }
    this.#runIn('vm', 'DeleteInstance', { name })
    if (this.#instance(name) !== undefined) this.#report(name, 'destroyed')
  }

  #putRecord(name: string, value: string): void {
    this.#runIn('dns', 'PutRecordSet', { zone: ZONE, name, type: 'A', values: [value] })
  }

  #report(name: string, lifecycle: string): void {
    const incarnations = this.#engine.state.resource(vm, 'incarnation')
    const incarnation = incarnations.get(this.#instance(name)?.incarnation ?? '')
    if (incarnation === undefined) throw new Error(`instance ${name} has no incarnation`)
    const { uid, generation } = incarnation
    const report = { incarnation: uid, generation, lifecycle, acceleration: 'kvm' }
    this.#run(vm, 'ReportIncarnation', { ...report, guestReady: lifecycle === 'running' })
  }

  #instance(name: string): RowOf<typeof vm.resources.instance> | undefined {
    return this.#engine.state.resource(vm, 'instance').find('name', nameKey(PROJECT, name))
  }

  /** A command in the project. */
  #runIn(domain: string, command: string, request: object): void {
    this.#decide(`${domain}.${command}`, { project: PROJECT, ...request })
  }

  #run<C extends Contract>(
    contract: C,
    command: Extract<keyof C['commands'], string>,
    request: object,
  ): void {
    this.#decide(`${contract.name}.${command}`, request)
  }

  #decide(type: string, data: object): void {
    this.#now += STEP_MS
    const place = { revision: this.#revision + 1, now: this.#now, seed: `seed ${this.#revision}` }
    const outcome = this.#engine.decide({ type, data, actor: root, commandId: '' }, place)
    if (outcome.kind !== 'decided') throw new Error(`${type} ran before`)
    this.#add({ ...outcome.record, ...PERSON, commandId: `019a2b3c-7abc-8def-${this.#revision}` })
    this.events += outcome.record.events.length
  }

  #apply(record: LogRecord): void {
    this.#engine.apply(record, this.#revision + 1)
    this.#add(record)
  }

  #add(record: LogRecord): void {
    this.#engine.state.journal.take()
    this.#revision += 1
    this.#payloads.push(encodeRecord(record))
  }
}
