import type { Command } from 'commander'
import type { ClusterStatus } from '../control_plane.ts'
import { addGlobalOptions } from './global_options.ts'
import type { Session, Sessions } from './session.ts'
import { pairs, table } from './table.ts'
import { age } from './times.ts'
import { printable } from './values.ts'

/** Adds `status`. */
export function addStatusCommand(program: Command, sessions: Sessions): void {
  const command = program
    .command('status')
    .description('Shows members, leader, revision, history, the lag of each projection, and hosts.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ultracloud status\n  $ ultracloud status -o wide          with the digest of each projection\n  $ ultracloud status -o json | jq .leader\n',
    )
  addGlobalOptions(command, true)
  command.action(async () => await sessions.run(command, show))
}

async function show(session: Session): Promise<void> {
  const { cloud, globals, out } = session
  const status = (await cloud.call('ClusterService/Status', {})) as unknown as ClusterStatus
  switch (globals.format) {
    case 'json':
    case 'jsonl':
      return await out.line(JSON.stringify(status, null, globals.format === 'json' ? 2 : undefined))
    case 'name':
      for (const { id } of status.members) await out.line(id)
      return
    default:
      for (const line of lines(status, globals.format === 'wide', out.style.bold, Date.now()))
        await out.line(line)
  }
}

function heard(lastHeartbeat: number, now: number): string {
  if (lastHeartbeat < 0) return 'unknown: no leader answers'
  return lastHeartbeat === 0 ? 'not heard of' : `${age(now - lastHeartbeat)} ago`
}

function lines(
  status: ClusterStatus,
  wide: boolean,
  bold: (text: string) => string,
  now: number,
): readonly string[] {
  const { members, projections, hosts, processes } = status
  const facts = pairs(
    [
      ['leader', status.leader === '' ? 'none is known' : status.leader],
      ['term', String(status.term)],
      ['revision', String(status.revision)],
      ['history', status.history],
      ['answered by', status.member],
    ],
    '',
  )
  const memberRows = members.map(({ id, address, leader }) => [id, address, leader ? 'leader' : 'follower'])
  const isAnyQuarantined = projections.some(({ problem }) => problem !== '')
  const projectionRows = projections.map(({ name, revision, lag, digest, problem }) => [
    name,
    String(revision),
    String(lag),
    ...(wide ? [digest] : []),
    ...(isAnyQuarantined ? [problem === '' ? '' : `quarantined: ${printable(problem)}`] : []),
  ])
  const projectionColumns = [
    ...['PROJECTION', 'REVISION', 'LAG'],
    ...(wide ? ['DIGEST'] : []),
    ...(isAnyQuarantined ? ['PROBLEM'] : []),
  ]
  const hostRows = hosts.map(({ name, realizedRevision, lastHeartbeat }) => [
    name,
    String(realizedRevision),
    heard(lastHeartbeat, now),
  ])
  return [
    ...facts,
    '',
    ...table(['MEMBER', 'ADDRESS', 'ROLE'], memberRows, bold),
    '',
    ...table(projectionColumns, projectionRows, bold),
    '',
    ...(hostRows.length === 0
      ? ['There are no hosts.']
      : table(['HOST', 'REALIZED', 'LAST HEARTBEAT'], hostRows, bold)),
    ...(processes.length === 0
      ? []
      : [
          '',
          ...table(
            ['PROCESS', 'PROBLEM'],
            processes.map(({ name, problem }) => [name, printable(problem)]),
            bold,
          ),
        ]),
  ]
}
