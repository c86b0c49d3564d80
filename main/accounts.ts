import { readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Rejection } from '../domains/kernel/rejection.ts'
import { newCommandId } from '../domains/kernel/uuid.ts'
import type { CommandReply } from '../edges/control_plane.ts'
import type { ApiClient } from '../edges/grpc/client.ts'
import { retried } from './daemons/retry.ts'
import { readOrCreate } from './secrets.ts'

/** Where the accounts of a cloud's own daemons live. */
const PROJECT = 'default'

/** Makes the service account, the role and the token of a daemon, each unless it is there; returns the file that holds the token (mode 0600). */
export async function daemonToken(
  client: ApiClient,
  role: 'host' | 'dns' | 'balancer',
  node: string,
  directory: string,
): Promise<string> {
  const file = join(directory, `${role}.token`)
  const found = await readFile(file, 'utf8').catch(() => undefined)
  const { signal } = new AbortController()
  if (found !== undefined && (await retried(() => works(client, found.trim()), signal))) return file
  const account = `${role}-${node}`
  await unlessThere(client, 'iam.CreateServiceAccount', {
    project: PROJECT,
    name: account,
    description: `The ${role} daemon of node ${node}`,
  })
  await unlessThere(client, 'iam.CreateBinding', {
    name: account,
    serviceAccount: `${PROJECT}/${account}`,
    role,
  })
  const { result } = await command(client, 'iam.IssueServiceAccountToken', {
    project: PROJECT,
    serviceAccount: account,
    description: `Of node ${node}`,
  })
  const next = `${file}.${process.pid}.new`
  await rm(next, { force: true })
  await readOrCreate(next, () => String(result['tokenValue']))
  await rename(next, file)
  return file
}

/** Whether this cloud knows the token, and takes it still. */
async function works(client: ApiClient, token: string): Promise<boolean> {
  const uid = token.split('_')[1] ?? ''
  const { rows } = await client.read({ kind: 'iam.token', filter: { uid } })
  return rows.some((row) => row['revoked'] === false)
}

function command(client: ApiClient, type: string, data: object): Promise<CommandReply> {
  const commandId = newCommandId()
  return retried(() => client.command({ type, data, commandId }), new AbortController().signal)
}

async function unlessThere(client: ApiClient, type: string, data: object): Promise<void> {
  try {
    await command(client, type, data)
  } catch (error) {
    if (!(error instanceof Rejection) || error.code !== 'ALREADY_EXISTS') throw error
  }
}
