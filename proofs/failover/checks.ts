import type { ClusterStatus, LogEntryView, ReadReply, ReadRequest } from '../../edges/control_plane.ts'
import type { ApiClient } from '../../edges/grpc/client.ts'
import type { ProcessCluster } from './cluster.ts'
import type { MemberProcess } from './member_process.ts'
import { type Acknowledgement, PROJECT, ZONE } from './operations.ts'
import { until } from './until.ts'

const SETTLE_TIMEOUT_MS = 60_000
/** Acknowledged commands that are sent again at the end. */
const RETRIED = 100

/** What the members agree on at the end. */
export interface Agreement {
  readonly revision: number
  readonly digests: Readonly<Record<string, string>>
}

/** Waits until all members show one revision, and returns their digests there. Throws Error when they differ. */
export async function agreement(cluster: ProcessCluster): Promise<Agreement> {
  const statuses = await until('one revision on all members', SETTLE_TIMEOUT_MS, async () => {
    const found: ClusterStatus[] = []
    for (const member of cluster.members) {
      const status = await cluster.status(member)
      if (status !== undefined) found.push(status)
    }
    const revisions = new Set(found.map(shown))
    const settled = found.length === cluster.members.length && revisions.size === 1
    return settled && found.every(({ projections }) => projections.every(({ lag }) => lag === 0))
      ? found
      : undefined
  })
  const digests = statuses.map(({ projections }) =>
    Object.fromEntries(projections.map(({ name, digest }) => [name, digest])),
  )
  const [first] = digests
  for (const [index, each] of digests.entries()) {
    if (first === undefined || JSON.stringify(each) !== JSON.stringify(first))
      throw new Error(
        `member ${statuses[index]?.member} has other digests: ${JSON.stringify(each)}, not ${JSON.stringify(first)}`,
      )
  }
  return { revision: shown(statuses[0] as ClusterStatus), digests: first as Record<string, string> }
}

/** The revision that a member's reads show. */
export function shown({ projections }: ClusterStatus): number {
  return Math.min(...projections.map(({ revision }) => revision))
}

/**
 * Every acknowledged command is in the log of every member exactly once, at the revision it was acknowledged with; nothing else of the
 * clients is; and its effect is there exactly once. Returns what is not so.
 */
export async function lostOrDoubled(
  cluster: ProcessCluster,
  acknowledged: readonly Acknowledgement[],
  revision: number,
): Promise<readonly string[]> {
  const problems: string[] = []
  const logs = await Promise.all(cluster.members.map((member) => wholeLog(cluster.clientOf(member))))
  const texts = logs.map((entries) => JSON.stringify(entries))
  for (const [index, entries] of logs.entries()) {
    const { name } = cluster.members[index] as MemberProcess
    if (texts[index] !== texts[0]) problems.push(`the log of member ${name} is another one`)
    problems.push(...logProblems(name, entries, acknowledged))
  }
  for (const member of cluster.members)
    problems.push(...(await effectProblems(member, cluster.clientOf(member), acknowledged, revision)))
  problems.push(...(await retryProblems(cluster, acknowledged)))
  return problems
}

async function wholeLog(client: ApiClient): Promise<readonly LogEntryView[]> {
  const entries: LogEntryView[] = []
  const signal = AbortSignal.timeout(SETTLE_TIMEOUT_MS)
  const request = { from: 1, limit: 0, type: '', follow: false }
  for await (const page of client.stream('ClusterService/Log', request, signal))
    entries.push(...(page['entries'] as LogEntryView[]))
  return entries
}

function logProblems(
  member: string,
  entries: readonly LogEntryView[],
  acknowledged: readonly Acknowledgement[],
): readonly string[] {
  const problems: string[] = []
  const revisions = new Map<string, number[]>()
  for (const { commandId, revision } of entries) {
    if (commandId !== '') revisions.set(commandId, [...(revisions.get(commandId) ?? []), revision])
  }
  for (const { operation, revision } of acknowledged) {
    const found = revisions.get(operation.commandId) ?? []
    if (found.length !== 1 || found[0] !== revision)
      problems.push(
        `${member}: ${operation.type} ${operation.name} was acknowledged at revision ${revision}, and is in the log at ${found.join(', ') || 'none'}`,
      )
    revisions.delete(operation.commandId)
  }
  for (const [commandId, at] of revisions)
    if (at.length > 1) problems.push(`${member}: command ${commandId} is in the log ${at.length} times`)
  return problems
}

async function effectProblems(
  { name: member }: MemberProcess,
  client: ApiClient,
  acknowledged: readonly Acknowledgement[],
  minRevision: number,
): Promise<readonly string[]> {
  const column = async (kind: string, field: string, project?: string): Promise<readonly string[]> =>
    (await allRows(client, { kind, project, minRevision })).map((row) => String(row[field]))
  const domainNames = await column('dns.record_set', 'domainName', PROJECT)
  const effects: Readonly<Record<string, readonly string[]>> = {
    'iam.IssueToken': await column('iam.token', 'description'),
    'vpc.CreateVpc': await column('vpc.vpc', 'name', PROJECT),
    'dns.PutRecordSet': domainNames.map((name) => name.replace(`.${ZONE}`, '')),
  }
  return Object.entries(effects).flatMap(([type, names]) => {
    const made = names.filter((name) => /^c\d+-\d+$/.test(name))
    const wanted = acknowledged
      .filter(({ operation }) => operation.type === type)
      .map(({ operation }) => operation.name)
    const lost = new Set(wanted).difference(new Set(made))
    const extra = made.length - new Set(made).size
    const unknown = new Set(made).difference(new Set(wanted))
    return lost.size + extra + unknown.size === 0
      ? []
      : [
          `${member}: of ${wanted.length} ${type}: lost ${[...lost].join(', ') || 'none'}; ${extra} more than once; never acknowledged ${[...unknown].join(', ') || 'none'}`,
        ]
  })
}

async function allRows(
  client: ApiClient,
  request: ReadRequest,
): Promise<readonly Readonly<Record<string, unknown>>[]> {
  const rows: Readonly<Record<string, unknown>>[] = []
  let page: ReadReply | undefined
  do {
    page = await client.read({ ...request, pageSize: 1000, pageToken: page?.nextPageToken })
    rows.push(...page.rows)
  } while (page.nextPageToken !== '')
  return rows
}

/** The same command id gets the same answer, from any member and any later leader. */
async function retryProblems(
  cluster: ProcessCluster,
  acknowledged: readonly Acknowledgement[],
): Promise<readonly string[]> {
  const step = Math.max(1, Math.floor(acknowledged.length / RETRIED))
  const again = acknowledged.filter((_, index) => index % step === 0)
  const problems = await Promise.all(
    again.map(async ({ operation, revision, result }, index) => {
      const { type, data, commandId } = operation
      const member = cluster.members[index % cluster.members.length] as MemberProcess
      const reply = await cluster.clientOf(member).command({ type, data, commandId })
      const same =
        reply.duplicate &&
        reply.revision === revision &&
        JSON.stringify(reply.result) === JSON.stringify(result)
      return same ? [] : [`${type} ${operation.name}, sent again, was answered ${JSON.stringify(reply)}`]
    }),
  )
  return problems.flat()
}
