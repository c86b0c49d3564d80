import { type ChildProcess, spawn } from 'node:child_process'
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { normalizeValue } from '../../domains/dns/records.ts'
import { DatagramClient, queryOf } from './testing-client.ts'
import type { RecordRow, ZoneRow } from './zone-store.ts'

export interface Knot {
  readonly port: number
  stop(): Promise<void>
}

const attemptsMax = 5
const readyDeadlineMs = 15_000
const stopDeadlineMs = 5_000

/** The rows as RFC 1035 master files, one a zone, in the syntax any server reads. */
function masterFiles(rows: readonly (ZoneRow | RecordRow)[]): ReadonlyMap<string, string> {
  const files = new Map<string, string>()
  for (const row of rows) {
    if (row.set !== 'zone') continue
    const mailbox = row.mailbox.replace('@', '.')
    const lines = [
      `${row.name}. ${row.ttl} IN SOA ${row.primary}. ${mailbox}. ${row.serial} ${row.refresh} ${row.retry} ${row.expire} ${row.minimum}`,
      ...row.nameservers.map((nameserver) => `${row.name}. ${row.ttl} IN NS ${nameserver}`),
    ]
    files.set(row.name, `${lines.join('\n')}\n`)
  }
  for (const row of rows) {
    if (row.set !== 'record') continue
    const lines = row.values.map((value) => {
      const normalized = normalizeValue(row.type, value)
      if (!normalized.ok) throw new Error(normalized.message)
      return `${row.name}. ${row.ttl} IN ${row.type} ${normalized.value}\n`
    })
    files.set(row.zone, `${files.get(row.zone) ?? ''}${lines.join('')}`)
  }
  return files
}

/** Starts Knot DNS (the package `knot`) with these zones on a free port of the loopback, in a directory of its own. */
export async function startKnot(rows: readonly (ZoneRow | RecordRow)[]): Promise<Knot> {
  const directory = await mkdtemp(join(tmpdir(), 'dns-knot-'))
  try {
    const files = masterFiles(rows)
    for (const [zone, text] of files) await writeFile(join(directory, `${zone}.zone`), text)
    for (let attempt = 1; ; attempt += 1) {
      const port = await freePort()
      await writeFile(join(directory, 'knot.conf'), configuration(directory, port, [...files.keys()]))
      const started = await tryStart(directory, port, [...files.keys()])
      if ('stop' in started) return started
      if (attempt >= attemptsMax) throw new Error(`Knot did not start: ${started.output}`)
    }
  } catch (error) {
    await rm(directory, { recursive: true, force: true })
    throw error
  }
}

function configuration(directory: string, port: number, zones: readonly string[]): string {
  return `server:
  rundir: ${directory}
  listen: 127.0.0.1@${port}
  identity: ""
  nsid: ""
  udp-workers: 1
  tcp-workers: 1
  background-workers: 1
database:
  storage: ${directory}/database
log:
  - target: stderr
    any: warning
template:
  - id: default
    storage: ${directory}
    file: "%s.zone"
zone:
${zones.map((zone) => `  - domain: ${zone}\n`).join('')}`
}

async function tryStart(
  directory: string,
  port: number,
  zones: readonly string[],
): Promise<Knot | { readonly output: string }> {
  const child = spawn('knotd', ['-c', join(directory, 'knot.conf')], { stdio: ['ignore', 'ignore', 'pipe'] })
  let output = ''
  child.stderr.on('data', (data: Buffer) => {
    output = `${output}${data.toString()}`.slice(-4_000)
  })
  const ended = once(child, 'exit').catch((error: unknown) => {
    output = `The package knot is needed: ${String(error)}`
  })
  const stop = async (): Promise<void> => {
    await stopChild(child, ended)
    await rm(directory, { recursive: true, force: true })
  }
  try {
    await Promise.race([
      serves(port, zones),
      ended.then(() => {
        throw new Error(output)
      }),
    ])
    return { port, stop }
  } catch {
    await stopChild(child, ended)
    return { output }
  }
}

async function stopChild(child: ChildProcess, ended: Promise<unknown>): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return
  child.kill('SIGTERM')
  const timer = setTimeout(() => child.kill('SIGKILL'), stopDeadlineMs)
  await ended
  clearTimeout(timer)
}

/** Waits until every zone is answered for. */
async function serves(port: number, zones: readonly string[]): Promise<void> {
  const deadline = Date.now() + readyDeadlineMs
  const client = await DatagramClient.open(port)
  try {
    for (const zone of zones) {
      for (;;) {
        const response = await client.ask(queryOf(zone, 'SOA'), 200).catch(() => null)
        if (response !== null && ((response[3] ?? 15) & 15) === 0) break
        if (Date.now() > deadline) throw new Error('The zones were not served in time.')
      }
    }
  } finally {
    client.close()
  }
}

async function freePort(): Promise<number> {
  const socket = createSocket('udp4')
  socket.bind(0, '127.0.0.1')
  await once(socket, 'listening')
  const { port } = socket.address()
  socket.close()
  return port
}
