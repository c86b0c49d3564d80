import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Engine } from '../../domains/kernel/engine.ts'
import { encodeRecord, type LogRecord } from '../../domains/kernel/record.ts'
import type { Registry } from '../../domains/kernel/registry.ts'
import { dump } from '../../domains/kernel/testing.ts'
import type { Entry } from '../../log/log.ts'
import { type ProjectionDigest, ProjectionStore } from '../../projections/kernel/store.ts'
import { eventProjections, projections } from '../projections.ts'
import type { BackupEnd, BackupHead } from './format.ts'
import { type BackupPart, readBackup } from './read.ts'
import { writeBackup } from './write.ts'

const actor = { principal: 'process:test', kind: 'process' } as const
export const CLUSTER = 'cluster-1'
export const HISTORY = '00000000-0000-4000-8000-000000000001'

/** What a cloud was at a revision. */
interface Moment {
  /** Milliseconds since 1970. */
  readonly time: number
  readonly state: string
  readonly digests: readonly ProjectionDigest[]
}

/** A directory that is gone after the test. */
export async function temporaryDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'ultracloud-backup-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

/** A cloud without a log: its entries, and what it was at each of them. A minute passes with each entry. */
export class SampleCloud {
  readonly entries: Entry[] = []
  readonly moments = new Map<number, Moment>()
  readonly #engine: Engine
  readonly #store: ProjectionStore
  #now = 1_700_000_000_000

  constructor(registry: Registry) {
    this.#engine = new Engine(registry)
    this.#store = new ProjectionStore(':memory:', registry, projections, eventProjections)
    this.noop()
    this.#add({ kind: 'history', time: this.#now, history: HISTORY, parent: '', parentRevision: 0 })
  }

  get revision(): number {
    return this.entries.length
  }

  noop(): void {
    this.#append('noop', new Uint8Array(), null)
  }

  run(type: string, data: object, commandId = ''): void {
    this.#now += 60_000
    const place = { revision: this.revision + 1, now: this.#now, seed: `seed ${this.revision}` }
    const outcome = this.#engine.decide({ type, data, actor, commandId }, place)
    if (outcome.kind === 'duplicate') throw new Error(`${type} ran before`)
    this.#append('data', encodeRecord(outcome.record), outcome.record)
  }

  #add(record: LogRecord): void {
    this.#engine.apply(record, this.revision + 1)
    this.#append('data', encodeRecord(record), record)
  }

  #append(kind: Entry['kind'], payload: Uint8Array, record: LogRecord | null): void {
    this.#engine.state.journal.take()
    const index = this.revision + 1
    this.entries.push({ index, term: 1 + Math.floor(index / 10), kind, payload })
    this.#store.apply([{ revision: index, record }])
    this.moments.set(index, {
      time: this.#now,
      state: dump(this.#engine.state),
      digests: this.#store.digests,
    })
  }

  /** Zones and record sets that come, change and go, and users. */
  static lived(registry: Registry, steps: number): SampleCloud {
    const cloud = new SampleCloud(registry)
    cloud.run('iam.Bootstrap', {})
    cloud.run('dns.CreateZone', { project: 'default', name: 'demo.test' })
    for (let i = 0; i < steps; i++) {
      const place = { project: 'default', zone: 'demo.test', name: `host-${i % 7}`, type: 'A' }
      if (i % 11 === 10) cloud.noop()
      else if (i % 5 === 4) cloud.run('iam.CreateUser', { name: `user-${i}` })
      else cloud.run('dns.PutRecordSet', { ...place, values: [`10.0.0.${i % 250}`] })
    }
    return cloud
  }

  head(): BackupHead {
    return {
      format: 1,
      clusterId: CLUSTER,
      history: HISTORY,
      revision: this.revision,
      createdAt: this.#now,
    }
  }

  end(): BackupEnd {
    return { entries: this.revision, layout: this.#store.layout, digests: [...this.#store.digests] }
  }

  /** Backs it up, and gives the path. */
  async backUp(directory: string, end: BackupEnd = this.end()): Promise<string> {
    const path = join(directory, 'cloud.backup')
    await writeFile(path, await backupOf(this.head(), this.entries, end))
    return path
  }
}

/** The bytes of a backup. */
export async function backupOf(head: BackupHead, entries: readonly Entry[], end: BackupEnd): Promise<Buffer> {
  async function* batches(): AsyncGenerator<readonly Entry[]> {
    for (let at = 0; at < entries.length; at += 100) yield entries.slice(at, at + 100)
  }
  return Buffer.concat(await Array.fromAsync(writeBackup(head, batches(), end)))
}

/** Everything that is in a backup. */
export async function readAll(path: string): Promise<readonly BackupPart[]> {
  return await Array.fromAsync(readBackup(path))
}
