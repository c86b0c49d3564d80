import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Rejection } from '../domains/kernel/rejection.ts'
import { newCommandId } from '../domains/kernel/uuid.ts'
import type { ApiClient } from '../edges/grpc/client.ts'
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
  if (found !== undefined && (await works(client, found.trim()))) return file
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
  const { result } = await client.command({
    type: 'iam.IssueServiceAccountToken',
    data: { project: PROJECT, serviceAccount: account, description: `Of node ${node}` },
    commandId: newCommandId(),
  })
  await readOrCreate(file, () => String(result['tokenValue']))
  return file
}

/** Whether this cloud knows the token: after a restore with another master key it does not. */
async function works(client: ApiClient, token: string): Promise<boolean> {
  const uid = token.split('_')[1] ?? ''
  const { rows } = await client.read({ kind: 'iam.token', filter: { uid } })
  return rows.length > 0
}

async function unlessThere(client: ApiClient, type: string, data: object): Promise<void> {
  try {
    await client.command({ type, data, commandId: newCommandId() })
  } catch (error) {
    if (!(error instanceof Rejection) || error.code !== 'ALREADY_EXISTS') throw error
  }
}
