import type { Command } from 'commander'
import type { Kind } from '../../domains/kernel/registry.ts'
import type { ReadReply, ReadRequest } from '../control_plane.ts'
import { type Column, columnsOf } from './columns.ts'
import { usageError } from './exit_codes.ts'
import { isTime } from './field_help.ts'
import { parseFilter, withUids } from './filters.ts'
import { addGlobalOptions } from './global_options.ts'
import { findKind, kindWords } from './kinds.ts'
import { kebabCase } from './names.ts'
import type { ResourceNames } from './resource_names.ts'
import type { Session, Sessions } from './session.ts'
import { table } from './table.ts'
import { age, timestamp } from './times.ts'
import { cell } from './values.ts'

type Row = Readonly<Record<string, unknown>>

const PAGE_SIZE = 500
/** Columns are as wide as what is in this many rows; later blocks line up by themselves. */
const BLOCK_ROWS = 500

interface GetOptions {
  readonly at?: string
  readonly filter?: readonly string[]
  readonly allProjects?: boolean
  readonly uid?: string
  readonly stale?: boolean
  readonly minRevision?: string
}

/** Adds `get`. */
export function addGetCommand(program: Command, sessions: Sessions): void {
  const words = [...kindWords(sessions.environment.registry).keys()]
  const command = program
    .command('get')
    .argument('<kind>', 'what to read, such as instance, instances or vm.instance')
    .argument('[name]', 'one by its name; all of them without it')
    .description('Reads resources, as they are or as they were.')
    .option('-A, --all-projects', 'of all projects, also where --project or ULTRACLOUD_PROJECT names one')
    .option(
      '--at <moment>',
      'as it was at a revision (42), a time (2030-01-31T12:00:00Z), or so long ago (2h)',
    )
    .option(
      '--filter <field=value>',
      'only where a field, or a label as label.KEY, has that value, or refers to what has that name; once for each',
      collect,
    )
    .option('--uid <uid>', 'one by its uid')
    .option('--min-revision <n>', 'wait until that revision shows')
    .option('--stale', 'take what this member knows, without asking the leader')
    .addHelpText(
      'after',
      `
Kinds:
${wrapped(words)}

Output (-o): table, wide (every column that fits), json, jsonl (a row a line), name

Examples:
  $ ultracloud get instances --project demo
  $ ultracloud get instance vm1 --project demo -o json
  $ ultracloud get instances --at 2h --filter lifecycle=running --filter label.tier=web
  $ ultracloud get zones -o name
`,
    )
  addGlobalOptions(command, true)
  command.action(async (kind: string, name: string | undefined, options: GetOptions) => {
    const found = findKind(sessions.environment.registry, kind)
    await sessions.run(command, async (session) => await get(session, found, name, options))
  })
}

async function get(
  session: Session,
  kind: Kind,
  name: string | undefined,
  options: GetOptions,
): Promise<void> {
  const scoped = kind.resource.scope === 'project'
  const project = scoped && options.allProjects !== true ? session.globals.project : undefined
  const request: ReadRequest = {
    kind: kind.id,
    project,
    at: options.at,
    consistency: options.stale === true ? 'stale' : undefined,
    minRevision: options.minRevision === undefined ? undefined : revision(options.minRevision),
  }
  if (name === undefined && options.uid === undefined) {
    const given = parseFilter(kind, options.filter ?? [])
    const filter = await withUids(session, kind, given, request)
    const pages = session.cloud.pages({ ...request, filter, pageSize: PAGE_SIZE })
    return await printPages(session, kind, options, scoped && project === undefined, pages)
  }
  if (name !== undefined && options.uid !== undefined)
    throw usageError('a name and --uid are too much: say one')
  if (options.filter !== undefined) throw usageError('--filter is for lists: leave the name out')
  if (name !== undefined && scoped && project === undefined)
    throw usageError(
      `which project? ${kebabCase(kind.resource.plural)} have their names in one`,
      'Say --project NAME, or set ULTRACLOUD_PROJECT.',
    )
  const reply = await session.cloud.read({ ...request, name, uid: options.uid })
  await printOne(session, kind, options, scoped && project === undefined, reply)
}

async function printOne(
  session: Session,
  kind: Kind,
  options: GetOptions,
  withProject: boolean,
  reply: ReadReply,
): Promise<void> {
  const { format } = session.globals
  if (format === 'json' || format === 'jsonl')
    return await session.out.line(
      JSON.stringify(reply.rows[0] ?? null, null, format === 'json' ? 2 : undefined),
    )
  const pages = (async function* (): AsyncIterable<ReadReply> {
    yield reply
  })()
  await printPages(session, kind, options, withProject, pages)
}

async function printPages(
  session: Session,
  kind: Kind,
  options: GetOptions,
  withProject: boolean,
  pages: AsyncIterable<ReadReply>,
): Promise<void> {
  switch (session.globals.format) {
    case 'json':
      return await printJson(session, pages)
    case 'jsonl':
      for await (const { rows } of pages)
        await session.out.write(rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
      return
    case 'name':
      for await (const { rows } of pages)
        await session.out.write(
          rows
            .map((row) => `${withProject ? `${cell(row['project'])}/` : ''}${cell(row['name'])}\n`)
            .join(''),
        )
      return
    default:
      await printTable(session, kind, options, withProject, pages)
  }
}

/** One document, although it is written page by page. */
async function printJson({ out }: Session, pages: AsyncIterable<ReadReply>): Promise<void> {
  let written = 0
  for await (const { revision, history, rows } of pages) {
    if (written === 0)
      await out.write(`{\n  "revision": ${revision},\n  "history": ${JSON.stringify(history)},\n  "items": [`)
    for (const row of rows) {
      const text = JSON.stringify(row, null, 2).replaceAll('\n', '\n    ')
      await out.write(`${written === 0 ? '' : ','}\n    ${text}`)
      written += 1
    }
    if (written === 0) break
  }
  await out.line(written === 0 ? ']\n}' : '\n  ]\n}')
}

async function printTable(
  session: Session,
  kind: Kind,
  options: GetOptions,
  withProject: boolean,
  pages: AsyncIterable<ReadReply>,
): Promise<void> {
  const wide = session.globals.format === 'wide'
  const columns = columnsOf(session.registry, kind, wide)
  const names = session.names(options.at)
  const header = [
    ...(withProject ? ['PROJECT'] : []),
    'NAME',
    ...columns.map(({ title }) => title),
    ...(wide ? ['LABELS', 'REVISION', 'UID'] : []),
    'AGE',
  ]
  let first = true
  for await (const { rows } of pages) {
    for (let start = 0; start < rows.length; start += BLOCK_ROWS) {
      const block = rows.slice(start, start + BLOCK_ROWS)
      await names.learn(block.flatMap((row) => references(columns, row)))
      const cells = block.map((row) => [
        ...(withProject ? [cell(row['project'])] : []),
        cell(row['name']),
        ...columns.map((column) => cellOf(column, row, names)),
        ...(wide ? [labels(row), cell(row['revision']), cell(row['uid'])] : []),
        age(Date.now() - Number(row['createdAt'])),
      ])
      const lines = table(header, cells, session.out.style.bold)
      for (const line of first ? lines : lines.slice(1)) await session.out.line(line)
      first = false
    }
  }
  if (first && !session.globals.quiet)
    session.progress.note(`There are no ${kebabCase(kind.resource.plural)}.`)
}

function references(columns: readonly Column[], row: Row): readonly { kind: string; uid: string }[] {
  return columns.flatMap(({ field, target }) => {
    const value = row[field.key]
    if (target === undefined || value === null || value === undefined) return []
    const uids = Array.isArray(value) ? (value as string[]) : [value as string]
    return uids.map((uid) => ({ kind: target, uid }))
  })
}

function cellOf({ field, target }: Column, row: Row, names: ResourceNames): string {
  const value = row[field.key]
  if (typeof value === 'number' && isTime(field.key)) return timestamp(value)
  if (target === undefined) return cell(value)
  if (Array.isArray(value)) return cell((value as string[]).map((uid) => names.name(target, uid)))
  return typeof value === 'string' ? cell(names.name(target, value)) : cell(value)
}

function labels(row: Row): string {
  const entries = Object.entries((row['labels'] ?? {}) as Readonly<Record<string, string>>)
  return cell(entries.map(([key, value]) => `${key}=${value}`).join(','))
}

function collect(text: string, before: readonly string[] = []): readonly string[] {
  return [...before, text]
}

function revision(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw usageError(`--min-revision: ${JSON.stringify(text)} is no revision`)
}

function wrapped(words: readonly string[]): string {
  const lines: string[] = []
  for (const word of words) {
    const last = lines.at(-1)
    if (last === undefined || last.length + word.length > 90) lines.push(`  ${word}`)
    else lines[lines.length - 1] = `${last}, ${word}`
  }
  return lines.join(',\n')
}
