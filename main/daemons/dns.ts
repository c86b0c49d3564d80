import { startDnsServer } from '../../edges/dns/server.ts'
import { type RecordRow, type ZoneRow, ZoneStore } from '../../edges/dns/zone-store.ts'
import { listening } from '../listen_error.ts'
import { Connection, type DaemonOptions } from './connection.ts'

export interface DnsDaemonOptions extends DaemonOptions {
  readonly listen: { readonly host: string; readonly port: number }
}

/** An authoritative name server that follows the zones. */
export async function startDnsDaemon(options: DnsDaemonOptions, fatal: (error: Error) => void) {
  const store = new ZoneStore()
  const { host, port } = options.listen
  const server = await listening('DNS', `${host}:${port}`, () => startDnsServer({ host, port, store }))
  const connection = await Connection.open(options)
  const position = { realizedRevision: 0, history: '' }
  connection.follow(
    'zones',
    '',
    ({ snapshot, changes, revision, history }) => {
      const rows = changes.map(({ key, row }) => ({ key, row: row as ZoneRow | RecordRow | null }))
      const rejected = snapshot ? store.replaceAll(rows) : store.apply(rows)
      for (const { key, message } of rejected) options.log(`row ${key} is left out: ${message}`)
      Object.assign(position, { realizedRevision: revision, history })
      connection.beatNow()
    },
    fatal,
  )
  connection.heartbeat(`dns/${options.name}`, () => position)
  return {
    address: `${server.address}:${server.port}`,
    close: async (): Promise<void> => {
      await connection.close()
      await server.close()
    },
  }
}
