import type { Command } from 'commander'
import type { LogEntryView } from '../control_plane.ts'
import { entriesOf } from '../grpc/history_fields.ts'
import { usageError } from './exit_codes.ts'
import { addGlobalOptions } from './global_options.ts'
import { parseTarget } from './kinds.ts'
import { actorKind, entryLines } from './log_entries.ts'
import { didYouMean, kebabCase } from './names.ts'
import type { ResourceNames } from './resource_names.ts'
import type { Session, Sessions } from './session.ts'

interface LogOptions {
  readonly from?: string
  readonly limit?: string
  readonly type?: string
  readonly follow?: boolean
  readonly events?: boolean
}

/** Adds `log`. */
export function addLogCommand(program: Command, sessions: Sessions): void {
  const command = program
    .command('log')
    .description('Shows what happened: every decision in the order of the log, with its events.')
    .option('--from <revision>', 'begin there', '1')
    .option('--limit <n>', 'how many entries at most')
    .option(
      '--type <type>',
      'only entries of a command (vm.CreateInstance) or with an event (vm.InstanceCreated)',
    )
    .option('-f, --follow', 'go on with what is yet to come, until Ctrl-C')
    .option('--events', 'each event with its fields')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ultracloud log --from 40\n  $ ultracloud log --follow --type vm.CreateInstance\n  $ ultracloud log -o jsonl | jq -c .command\n',
    )
  addGlobalOptions(command, true)
  command.action(
    async (options: LogOptions) =>
      await sessions.run(command, async (session) => await log(session, options)),
  )
}

async function log(session: Session, options: LogOptions): Promise<void> {
  const request = {
    from: wholeNumber('--from', options.from ?? '1'),
    limit: options.limit === undefined ? 0 : wholeNumber('--limit', options.limit),
    type: options.type === undefined ? '' : knownType(session, options.type),
    follow: options.follow === true,
  }
  const printer = new EntryPrinter(session, options.events === true)
  for await (const answer of session.cloud.stream('ClusterService/Log', request, session.signal))
    await printer.print(entriesOf(answer))
  await printer.end()
}

/** Adds `why`. */
export function addWhyCommand(program: Command, sessions: Sessions): void {
  const command = program
    .command('why')
    .argument('<kind/name>', 'a resource, such as instance/vm1')
    .description(
      'Shows which commands, by whom and for what cause, made a resource what it is. Oldest first.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ ultracloud why instance/vm1 --project demo\n  $ ultracloud why zone/demo.test --project demo -o json\n',
    )
  addGlobalOptions(command, true)
  command.action(async (target: string) => {
    const { kind, name } = parseTarget(sessions.environment.registry, target)
    await sessions.run(command, async (session) => {
      const { project } = session.globals
      if (kind.resource.scope === 'project' && project === undefined)
        throw usageError(
          `which project? ${kebabCase(kind.resource.plural)} have their names in one`,
          'Say --project NAME, or set ULTRACLOUD_PROJECT.',
        )
      const scope = kind.resource.scope === 'project' ? (project ?? '') : ''
      const answer = await session.cloud.call('ClusterService/Why', { kind: kind.id, name, project: scope })
      const printer = new EntryPrinter(session, true)
      await printer.print(entriesOf(answer))
      await printer.end()
    })
  })
}

class EntryPrinter {
  readonly #session: Session
  readonly #detailed: boolean
  readonly #names: ResourceNames
  #printed = 0

  constructor(session: Session, detailed: boolean) {
    this.#session = session
    this.#detailed = detailed
    this.#names = session.names()
  }

  async print(entries: readonly LogEntryView[]): Promise<void> {
    const { out, globals } = this.#session
    if (globals.format === 'table' || globals.format === 'wide')
      await this.#names.learn(
        entries.flatMap(({ actor }) => {
          const kind = actorKind(actor)
          return kind === undefined ? [] : [{ kind, uid: actor.principal }]
        }),
      )
    for (const entry of entries) {
      await out.write(this.#text(entry))
      this.#printed += 1
    }
  }

  async end(): Promise<void> {
    if (this.#session.globals.format === 'json')
      await this.#session.out.line(this.#printed === 0 ? '[]' : '\n]')
    else if (this.#printed === 0 && !this.#session.globals.quiet)
      this.#session.progress.note('There are no entries.')
  }

  #text(entry: LogEntryView): string {
    const { globals, out } = this.#session
    switch (globals.format) {
      case 'json':
        return `${this.#printed === 0 ? '[' : ','}\n  ${JSON.stringify(entry, null, 2).replaceAll('\n', '\n  ')}`
      case 'jsonl':
        return `${JSON.stringify(entry)}\n`
      case 'name':
        return `${entry.revision}\n`
      default: {
        const detailed = this.#detailed || globals.format === 'wide'
        return `${entryLines(entry, this.#names, out.style, detailed).join('\n')}\n`
      }
    }
  }
}

function knownType({ registry }: Session, type: string): string {
  const types = [...registry.domains.values()].flatMap(({ contract }) =>
    [...Object.keys(contract.commands), ...Object.keys(contract.events)].map(
      (name) => `${contract.name}.${name}`,
    ),
  )
  if (types.includes(type)) return type
  throw usageError(
    `--type: there is neither a command nor an event ${type}`,
    didYouMean(type, types) ?? 'They are called domain.Name, such as vm.CreateInstance.',
  )
}

function wholeNumber(flag: string, text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value)) return value
  throw usageError(`${flag}: ${JSON.stringify(text)} is no whole number`)
}
