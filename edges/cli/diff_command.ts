import type { Command } from 'commander'
import type { DiffReply } from '../control_plane.ts'
import { diffOf } from '../grpc/history_fields.ts'
import { changeTitle, DiffLines } from './diff_lines.ts'
import { usageError } from './exit_codes.ts'
import { addGlobalOptions } from './global_options.ts'
import type { Session, Sessions } from './session.ts'

/** Adds `diff`. */
export function addDiffCommand(program: Command, sessions: Sessions): void {
  const command = program
    .command('diff')
    .description('Shows what changed in the cloud between two moments.')
    .option('--from <moment>', 'a revision (42), a time (2030-01-31T12:00:00Z), or so long ago (2h)')
    .option('--to <moment>', 'likewise; now when it is left out')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ultracloud diff --from 2h\n  $ ultracloud diff --from 40 --to 52 -o json\n',
    )
  addGlobalOptions(command, true)
  command.action(async ({ from, to = '' }: { from?: string; to?: string }) => {
    if (from === undefined)
      throw usageError('missing: --from <moment>', 'Such as --from 2h, or --from 42 for a revision.')
    await sessions.run(command, async (session) => await diff(session, from, to))
  })
}

async function diff(session: Session, from: string, to: string): Promise<void> {
  const { cloud, globals, out, progress } = session
  const reply = diffOf(await cloud.call('ClusterService/Diff', { from, to }))
  switch (globals.format) {
    case 'json':
      await out.line(JSON.stringify(reply, null, 2))
      break
    case 'jsonl':
      for (const change of reply.changes) await out.line(JSON.stringify(change))
      break
    case 'name':
      for (const change of reply.changes) await out.line(changeTitle(change))
      break
    default:
      await printChanges(session, reply)
  }
  if (reply.truncated && !globals.quiet)
    progress.note('There are more changes than fit into one answer: take moments that are closer together.')
}

async function printChanges({ out, registry, names }: Session, reply: DiffReply): Promise<void> {
  const { from, to, changes } = reply
  const sides = { before: names(String(from)), after: names(String(to)) }
  const lines = new DiffLines(registry, sides, out.style)
  await lines.learn(changes)
  await out.line(out.style.dim(`revision ${from} to ${to}: ${count(changes.length)}`))
  for (const change of changes) for (const line of lines.lines(change)) await out.line(line)
}

function count(changes: number): string {
  return changes === 0 ? 'nothing has changed' : changes === 1 ? 'one change' : `${changes} changes`
}
