import { Rejection } from '../../domains/kernel/rejection.ts'
import { HostDaemon } from '../../hostd/daemon.ts'
import type { DesiredIncarnation, Observation } from '../../hostd/desired.ts'
import { HostError } from '../../hostd/errors.ts'
import { Connection, type DaemonOptions } from './connection.ts'

export interface HostDaemonProcessOptions extends DaemonOptions {
  /** What the host remembers. */
  readonly directory: string
  /** Where guest images are kept; hosts on one machine may share it. */
  readonly imageDirectory: string | undefined
  /** For a person: where the host can be reached. */
  readonly address: string
}

/** A host that runs what the cloud places on it. Its instances go on when it ends. */
export async function startHostDaemon(options: HostDaemonProcessOptions, fatal: (error: Error) => void) {
  const connection = await Connection.open(options)
  const quarantined = new Map<string, string>()
  const position = { history: '' }
  let daemon: HostDaemon
  const report = async (observation: Observation): Promise<void> => {
    if (observation.lifecycle === 'quarantined') {
      quarantined.set(observation.incarnation, observation.reason.slice(0, 255))
      await reportHost()
      return
    }
    quarantined.delete(observation.incarnation)
    try {
      await connection.command('vm.ReportIncarnation', {
        ...observation,
        reason: observation.reason.slice(0, 1024),
      })
    } catch (error) {
      if (!(error instanceof Rejection)) throw error
      if (error.code === 'FAILED_PRECONDITION') throw new HostError('hostd/incarnation_over', error.message)
      if (!refusedForGood.has(error.code)) throw error
      options.log(`a report on incarnation ${observation.incarnation} was refused: ${error.message}`)
    }
  }
  const reportHost = async (): Promise<void> => {
    const incarnations = daemon.incarnations().map(({ specification }) => specification.incarnation)
    await connection.command('vm.ReportHost', {
      name: options.name,
      seenRevision,
      incarnations: incarnations.filter((incarnation) => !quarantined.has(incarnation)),
      quarantined: [...quarantined].map(([incarnation, reason]) => ({ incarnation, reason })),
    })
  }
  let seenRevision = 0
  daemon = await HostDaemon.start({
    hostDirectory: options.directory,
    ...(options.imageDirectory === undefined ? {} : { imageDirectory: options.imageDirectory }),
    report,
    onRealized: () => connection.beatNow(),
  })
  const { cpus, memoryMebibytes, acceleration, conditions } = daemon.inventory
  const { result } = await connection.command('vm.RegisterHost', {
    name: options.name,
    vcpus: cpus,
    memoryMebibytes,
    acceleration,
    conditions,
    address: options.address,
  })
  const uid = String(result['uid'])
  connection.follow(
    'hosts',
    uid,
    async ({ snapshot, changes, revision, history }) => {
      if (snapshot) {
        quarantined.clear()
        daemon.snapshot(
          changes.flatMap(({ row }) => (row === null ? [] : [row as unknown as DesiredIncarnation])),
          revision,
        )
        seenRevision = revision
        position.history = history
        await reportHost()
      } else {
        daemon.apply(
          changes.map(({ key, row }) => ({ key, row: row as DesiredIncarnation | null })),
          revision,
        )
        seenRevision = revision
      }
      connection.beatNow()
    },
    fatal,
  )
  connection.heartbeat(`host/${uid}`, () => ({
    realizedRevision: daemon.realizedRevision(),
    history: position.history,
  }))
  return {
    uid,
    close: async (): Promise<void> => {
      await connection.close()
      await daemon.close()
    },
  }
}

/** The control plane will never take this report: saying it again changes nothing. */
const refusedForGood: ReadonlySet<string> = new Set(['NOT_FOUND', 'INVALID_ARGUMENT', 'PERMISSION_DENIED'])
