import { isDeepStrictEqual } from 'node:util'
import type { Command } from 'commander'
import type { DiffReply, RowChange } from '../control_plane.ts'
import { usageError } from './exit_codes.ts'
import { addGlobalOptions } from './global_options.ts'
import type { Session, Sessions } from './session.ts'
import type { Style } from './style.ts'
import { inline, printable } from './values.ts'

type Row = Readonly<Record<string, unknown>>

/** They change with every change, and say nothing of it. */
const stamps: ReadonlySet<string> = new Set(['revision', 'updatedAt', 'createdRevision', 'createdAt', 'uid'])

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
  const reply = diffReply(await cloud.call('ClusterService/Diff', { from, to }))
  switch (globals.format) {
    case 'json':
      await out.line(JSON.stringify(reply, null, 2))
      break
    case 'jsonl':
      for (const change of reply.changes) await out.line(JSON.stringify(change))
      break
    case 'name':
      for (const change of reply.changes) await out.line(title(change))
      break
    default:
      await out.line(out.style.dim(`revision ${reply.from} to ${reply.to}: ${count(reply.changes.length)}`))
      for (const change of reply.changes)
        for (const line of changeLines(change, out.style)) await out.line(line)
  }
  if (reply.truncated && !globals.quiet)
    progress.note('There are more changes than fit into one answer: take moments that are closer together.')
}

function diffReply(answer: Row): DiffReply {
  const { changes, ...rest } = answer as unknown as Omit<DiffReply, 'changes'> & {
    changes: readonly { kind: string; uid: string; beforeJson: string | null; afterJson: string | null }[]
  }
  const row = (json: string | null): Row | null => (json === null ? null : (JSON.parse(json) as Row))
  return {
    ...rest,
    changes: changes.map(({ kind, uid, beforeJson, afterJson }) => ({
      kind,
      uid,
      before: row(beforeJson),
      after: row(afterJson),
    })),
  }
}

function title({ kind, uid, before, after }: RowChange): string {
  const row = after ?? before ?? {}
  const project = typeof row['project'] === 'string' ? `${row['project']}/` : ''
  const name = typeof row['name'] === 'string' ? row['name'] : uid
  return printable(`${kind} ${project}${name}`)
}

/** `+` is new, `-` is gone, `~` is changed, each field on a line with what it was and is. */
function changeLines(change: RowChange, style: Style): readonly string[] {
  const { before, after } = change
  if (before === null)
    return [
      style.green(`+ ${title(change)}`),
      ...fields(after ?? {}).map(([key, value]) => style.green(`    ${key}: ${inline(value)}`)),
    ]
  if (after === null) return [style.red(`- ${title(change)}`)]
  const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])].filter(
    (key) => !stamps.has(key) && !isDeepStrictEqual(before[key], after[key]),
  )
  const lines = keys.map(
    (key) => `    ${key}: ${style.red(inline(before[key]))} → ${style.green(inline(after[key]))}`,
  )
  return [style.yellow(`~ ${title(change)}`), ...lines]
}

function fields(row: Row): readonly (readonly [string, unknown])[] {
  return Object.entries(row).filter(
    ([key, value]) => !stamps.has(key) && key !== 'name' && key !== 'project' && !isEmpty(value),
  )
}

function isEmpty(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}

function count(changes: number): string {
  return changes === 0 ? 'nothing has changed' : changes === 1 ? 'one change' : `${changes} changes`
}
