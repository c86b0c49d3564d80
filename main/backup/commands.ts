import type { Command } from 'commander'
import { loadDomains } from '../../domains/load.ts'
import type { ExtraCommand, ExtraContext } from '../../edges/cli/context.ts'
import { CliError, usageError } from '../../edges/cli/exit_codes.ts'
import { addGlobalOptions } from '../../edges/cli/global_options.ts'
import { type Session, Sessions } from '../../edges/cli/session.ts'
import type { BackupChunk } from '../../edges/control_plane.ts'
import { readConfig } from '../config.ts'
import { saveBackup } from './download.ts'
import { replayBackup } from './replay.ts'
import { iso, replayedDocument, replayedLines } from './report.ts'
import { type Restored, type RestoreOptions, restoreBackup } from './restore.ts'

/** `backup`: the whole cloud as one file, and back. */
export const backupCommand: ExtraCommand = (program, context) => {
  const backup = program
    .command('backup')
    .summary('the whole cloud as one file, and back')
    .description(
      'A backup is the log of the cloud in one file, checksummed and chained; everything else is made from it.\n' +
        'What is not in it: the master key that signs tokens (master.key in the data directory, or the masterKeyFile of a cluster), which is to\n' +
        'be kept apart, and what is too big for a log: images and the disks of instances.',
    )
  addCreate(backup, context)
  addVerify(backup, context)
  addRestore(backup, context)
}

function addCreate(backup: Command, context: ExtraContext): void {
  const command = backup
    .command('create')
    .argument('<file>', 'where to; it must not be there yet')
    .summary('back the cloud up while it runs')
    .description(
      'Saves everything committed until now in a file of mode 0600. Commands go on meanwhile. The file gets its name once it is whole and checked.',
    )
    .option('--force', 'replace a file that is there')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ultracloud backup create cloud.backup\n  $ ultracloud backup create /mnt/apart/$(date +%F).backup --server 10.0.0.1:7420,10.0.0.2:7420\n\nIt takes the permission cluster.backups.create. Keep master.key, too, in another place: the tokens of a restored cloud need it.\n',
    )
  addGlobalOptions(command, true)
  command.action((file: string, { force }: { force?: boolean }) =>
    inSession(command, context, (session) => create(session, file, force === true)),
  )
}

function addVerify(backup: Command, context: ExtraContext): void {
  const command = backup
    .command('verify')
    .argument('<file>', 'a backup')
    .summary('replay a backup and compare digests')
    .description(
      'Checks every byte of a backup, replays it, and compares the digest of every projection with the one that was recorded. Nothing is changed.',
    )
    .option('--to <moment>', 'replay only until then: a revision, a time (RFC 3339), or how long ago (2h)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ultracloud backup verify cloud.backup\n  $ ultracloud backup verify cloud.backup --to 4711 -o json | jq .digests\n',
    )
  addGlobalOptions(command, true)
  command.action((file: string, { to }: { to?: string }) =>
    inSession(command, context, (session) => verify(session, file, to)),
  )
}

interface RestoreFlags {
  readonly data: string
  readonly to?: string
  readonly config?: string
  readonly history?: string
  readonly time?: string
}

function addRestore(backup: Command, context: ExtraContext): void {
  const command = backup
    .command('restore')
    .argument('<file>', 'a backup')
    .summary('make a data directory of a backup')
    .description(
      'Makes a data directory of a backup, with a new history: start it with "ultracloud up --data DIR". A damaged file is refused, and nothing is made.',
    )
    .requiredOption('--data <dir>', 'the new data directory; it must be absent or empty')
    .option('--to <moment>', 'the cloud as it was then: a revision, a time (RFC 3339), or how long ago (2h)')
    .option('--config <file>', "of the node, where it is one of several members: see 'cluster' there")
    .option('--history <id>', 'the new history, as the restore of the first member printed it')
    .option('--time <time>', 'when it begins, as the restore of the first member printed it')
    .addHelpText(
      'after',
      `
Examples:
  $ ultracloud backup restore cloud.backup --data ./work/restored
  $ ultracloud backup restore cloud.backup --data ./work/yesterday --to 24h

Tokens are signed with the master key, which is in no backup: copy it to DIR/master.key (or to the masterKeyFile of a cluster) before the
first start. Without it all tokens are void but that of the administrator, which is made anew.

In a cluster restore on every member before any of them is started, each with its own --config and all with the --to, --history
and --time that the first restore prints: the members' logs must be the same.
`,
    )
  addGlobalOptions(command, true)
  command.action((file: string, flags: RestoreFlags) =>
    inSession(command, context, (session) => restore(session, file, flags)),
  )
}

async function inSession(
  command: Command,
  { out, stderr, env }: ExtraContext,
  work: (session: Session) => Promise<void>,
): Promise<void> {
  const registry = await loadDomains()
  const sessions = new Sessions({ registry, stdout: out.stream, stderr, env, extra: [] })
  await sessions.run(command, work)
}

async function create(session: Session, file: string, force: boolean): Promise<void> {
  const { cloud, signal, progress, out, globals } = session
  const chunks = cloud.stream('ClusterService/Backup', {}, signal) as unknown as AsyncIterable<BackupChunk>
  const saved = await progress.run('reading the log', async (step) => {
    const onProgress = every((revision: number, of: number, bytes: number) =>
      step.update(`${revision} of ${of} entries, ${bytes} bytes`),
    )
    return await saveBackup(file, chunks, { force, signal, onProgress })
  })
  const { head, bytes, sha256 } = saved
  if (isJson(session)) return await printJson(session, { file, ...head, bytes, sha256 })
  if (globals.format === 'name') return await out.line(file)
  await out.line(`${file}: revision ${head.revision} of history ${head.history}, ${bytes} bytes`)
  progress.note('The master key is not in it: keep master.key, too, in another place.')
}

async function verify(session: Session, file: string, to: string | undefined): Promise<void> {
  const { progress, out } = session
  const replayed = await progress.run('replaying', (step) =>
    replayBackup(file, {
      registry: session.registry,
      to,
      onProgress: every((revision, of) => step.update(`${revision} of ${of} entries`)),
      signal: session.signal,
    }),
  )
  if (isJson(session)) await printJson(session, replayedDocument(replayed))
  else for (const line of replayedLines(replayed, out.style.bold)) await out.line(line)
  const { differing, head, revision } = replayed
  if (differing === undefined && revision === head.revision)
    progress.note('Another build made this backup: its digests can not be compared.')
  if (differing !== undefined && differing.length > 0)
    throw new CliError('rejected', `the digests differ from those recorded: ${differing.join(', ')}`, {
      code: 'BACKUP_DAMAGED',
    })
}

async function restore(session: Session, file: string, flags: RestoreFlags): Promise<void> {
  const { progress, out, globals, signal } = session
  const config = flags.config === undefined ? {} : await readConfig(flags.config)
  const beginning = parseBeginning(flags)
  const restored = await progress.run('restoring', (step) => {
    const say = every((what: 'replay' | 'write', revision: number, of: number) =>
      step.update(`${what === 'replay' ? 'replayed' : 'written'}: ${revision} of ${of} entries`),
    )
    const options: RestoreOptions = {
      registry: session.registry,
      directory: flags.data,
      to: flags.to,
      config,
      beginning,
      onProgress: say,
      signal,
    }
    return restoreBackup(file, options)
  })
  const { newHistory, newRevision, newTime } = restored
  if (isJson(session))
    return await printJson(session, {
      ...replayedDocument(restored),
      data: flags.data,
      newHistory,
      newRevision,
      newTime,
    })
  if (globals.format === 'name') return await out.line(flags.data)
  for (const line of replayedLines(restored, out.style.bold)) await out.line(line)
  for (const line of restoredLines(restored, file, flags, config.cluster?.members.length ?? 1))
    await out.line(line)
}

function restoredLines(
  { revision, newHistory, newRevision, newTime }: Restored,
  file: string,
  { data, config }: RestoreFlags,
  members: number,
): readonly string[] {
  const alike = `--to ${revision} --history ${newHistory} --time ${iso(newTime)}`
  const others = `Restore on the other ${members - 1} members, too, before any of them is started, each with its own configuration:`
  const start = `ultracloud up --data ${data}${config === undefined ? '' : ` --config ${config}`}`
  return [
    '',
    `It goes on as history ${newHistory}, from revision ${newRevision}.`,
    'The master key is not in a backup: copy the one kept apart into place before the first start. Without it, all tokens are void but the administrator’s.',
    ...(members === 1
      ? []
      : [others, `  ultracloud backup restore ${file} --data DIR --config FILE ${alike}`]),
    `Start it: ${start}`,
  ]
}

/** The beginning of the new history, where another member's restore has named it. */
function parseBeginning({ history, time, to }: RestoreFlags): RestoreOptions['beginning'] {
  if (history === undefined && time === undefined) return undefined
  if (history === undefined || time === undefined)
    throw usageError('--history and --time belong together: the first restore prints both')
  if (!/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(history))
    throw usageError(`--history: ${JSON.stringify(history)} is no id of a history`)
  const milliseconds = /^\d{4}-\d\d-\d\dT/.test(time) ? Date.parse(time) : Number.NaN
  if (Number.isNaN(milliseconds))
    throw usageError(
      `--time: ${JSON.stringify(time)} is no time (RFC 3339), such as 2026-01-31T08:00:00.000Z`,
    )
  if (to === undefined || !/^\d+$/.test(to))
    throw usageError('--history is for the same revision on all members: give that with --to, too')
  return { history, time: milliseconds }
}

function isJson({ globals: { format } }: Session): boolean {
  return format === 'json' || format === 'jsonl'
}

async function printJson({ out, globals: { format } }: Session, document: object): Promise<void> {
  await out.line(JSON.stringify(document, null, format === 'json' ? 2 : undefined))
}

const PROGRESS_MS = 1000

/** Lets a call through once in a while: progress is for people to read. */
function every<A extends readonly unknown[]>(call: (...values: A) => void): (...values: A) => void {
  let next = performance.now() + PROGRESS_MS
  return (...values) => {
    if (performance.now() < next) return
    next = performance.now() + PROGRESS_MS
    call(...values)
  }
}
