import { X509Certificate } from 'node:crypto'
import { copyFile, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { connect, type TLSSocket } from 'node:tls'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { loadDomains } from '../../domains/load.ts'
import { Api } from '../../edges/grpc/api.ts'
import { ApiClient } from '../../edges/grpc/client.ts'
import { checkHost, TlsChannelCredentials } from '../../log/tls/channel_credentials.ts'
import { readMaterial } from '../../log/tls/material.ts'
import { beginRotation, finishRotation } from '../../main/certificates/files.ts'
import { CERTIFICATE_DAYS } from '../../main/cluster_files.ts'
import { until } from '../failover/until.ts'
import { type Machine, TlsCluster } from './cluster.ts'
import { Writer } from './writers.ts'

const WAIT_MS = 20_000
let cluster: TlsCluster
let api: Api
let token: string

beforeAll(async () => {
  cluster = await TlsCluster.start()
  api = new Api(await loadDomains())
  token = await cluster.token()
}, 90_000)

afterAll(() => cluster?.close())

/** What a port answers to whom: undefined when it hangs up on the certificate. */
function shakeHands(
  address: string,
  files: { ca: string; cert: string; key: string },
): Promise<X509Certificate | undefined> {
  const [host = '', port] = address.split(':')
  return new Promise((resolve) => {
    const socket: TLSSocket = connect({ host, port: Number(port), ...files, ALPNProtocols: ['h2'] })
    const end = (found: X509Certificate | undefined): void => {
      socket.destroy()
      resolve(found)
    }
    socket.setTimeout(WAIT_MS, () => end(undefined))
    // A server speaks first in HTTP/2 over TLS 1.3: only who was let in hears its settings.
    socket.once('data', () => end(socket.getPeerX509Certificate()))
    socket.on('error', () => end(undefined))
    socket.once('close', () => resolve(undefined))
  })
}

async function filesOf(folder: string, name: string): Promise<{ ca: string; cert: string; key: string }> {
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', `member-${name}.crt`, `member-${name}.key`].map((file) =>
      readFile(join(folder, file), 'utf8'),
    ),
  )
  return { ca: ca as string, cert: cert as string, key: key as string }
}

/** Waits until a machine shows, on every port that it has, the certificate that it was given. */
async function showsWhatItHas({ name, files, addresses }: Machine): Promise<void> {
  const wanted = new X509Certificate(await readFile(join(files, `member-${name}.crt`), 'utf8')).fingerprint256
  const office = await filesOf(cluster.office, name)
  for (const address of [addresses.client, addresses.peer])
    await until(`${name} with its new certificate on ${address}`, WAIT_MS, async () => {
      const shown = await shakeHands(address, office)
      return shown?.fingerprint256 === wanted || undefined
    })
}

async function grows(writer: Writer, by: number): Promise<void> {
  const before = writer.names.length
  await until(
    `more commands; ${writer.failures.join()}`,
    WAIT_MS,
    () => writer.names.length >= before + by || writer.failures.length > 0 || undefined,
  )
  expect(writer.failures).toEqual([])
}

it('the authority is replaced under three members while commands flow: none fails, no member restarts, the old one is refused at last', async () => {
  const pids = cluster.machines.map(({ process }) => process.pid)
  const [first] = cluster.machines as [Machine]
  const old = await filesOf(first.files, first.name)
  const writer = new Writer('rotating', cluster, api, token)
  try {
    await grows(writer, 5)

    // One machine after the other: in between, some know the new authority and some do not.
    await beginRotation(cluster.office, CERTIFICATE_DAYS, [])
    for (const machine of cluster.machines) {
      await cluster.deliver(machine)
      await showsWhatItHas(machine)
      const fresh = await filesOf(machine.files, machine.name)
      for (const other of cluster.machines)
        expect(await shakeHands(other.addresses.peer, fresh)).toBeDefined()
      await grows(writer, 3)
    }
    for (const { addresses } of cluster.machines) {
      const { ca } = await filesOf(cluster.office, first.name)
      expect(await shakeHands(addresses.peer, { ...old, ca })).toBeDefined()
    }

    await finishRotation(cluster.office)
    const { ca: trusted } = await filesOf(cluster.office, first.name)
    for (const machine of cluster.machines) {
      await copyFile(cluster.caFile, join(machine.files, 'ca.crt'))
      await until(`${machine.name} without the old authority`, WAIT_MS, async () => {
        return (await shakeHands(machine.addresses.peer, { ...old, ca: trusted })) === undefined || undefined
      })
      expect(await shakeHands(machine.addresses.client, { ...old, ca: trusted })).toBeUndefined()
      await grows(writer, 3)
    }
    // Links that were made under the old authority were closed, and made again under the new one.
    await until(
      'links that were closed',
      WAIT_MS,
      () =>
        cluster.machines.some(
          ({ process }) =>
            process.output.includes('peer port') && process.output.includes('is no longer trusted'),
        ) || undefined,
    )
    await grows(writer, 10)
  } finally {
    await writer.stop()
  }
  expect(writer.failures).toEqual([])
  expect(cluster.machines.map(({ process }) => process.pid)).toEqual(pids)

  const secured = new TlsChannelCredentials(
    { current: await readMaterial({ caFile: cluster.caFile }) },
    checkHost,
  )
  for (const { addresses } of cluster.machines) {
    const client = new ApiClient(api, addresses.client, token, secured)
    for (const name of [writer.names[0], writer.names.at(-1)])
      expect((await client.read({ kind: 'vpc.vpc', project: 'default', name })).rows).toHaveLength(1)
    client.close()
  }
}, 60_000)
