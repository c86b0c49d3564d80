import { type Command as Commander, Option } from 'commander'
import type { Command } from '../../domains/kernel/contract.ts'
import { newCommandId, uuidTime } from '../../domains/kernel/uuid.ts'
import type { CommandReply, WaitLevel } from '../control_plane.ts'
import { retryHint } from './cloud.ts'
import { usageError } from './exit_codes.ts'
import { placeholder } from './field_help.ts'
import { addGlobalOptions, setOwnFields } from './global_options.ts'
import { didYouMean, kebabCase } from './names.ts'
import { printReply } from './reply.ts'
import {
  addRequestFlags,
  attributeOf,
  type RequestFlags,
  requestFlags,
  requestFrom,
} from './request_flags.ts'
import type { Session, Sessions } from './session.ts'

const waitLevels = ['committed', 'projected', 'realized'] as const satisfies readonly WaitLevel[]

/** Adds `<domain> <command>` for every command of the contracts. */
export function addDomainCommands(program: Commander, sessions: Sessions): void {
  program.commandsGroup('Domains (each has its commands):')
  for (const { contract } of sessions.environment.registry.domains.values()) {
    const domain = program.command(contract.name).description(contract.doc).helpCommand(false)
    addGlobalOptions(domain, true)
    for (const [name, command] of Object.entries(contract.commands))
      addDomainCommand(domain, sessions, `${contract.name}.${name}`, name, command)
    const [example] = Object.keys(contract.commands)
    domain.addHelpText(
      'after',
      `\nExamples:\n  $ ultracloud ${contract.name} ${kebabCase(example ?? '')} --help\n  $ ultracloud ${contract.name} ${kebabCase(example ?? '')} … --dry-run     what would happen, without its happening\n`,
    )
  }
}

function addDomainCommand(
  domain: Commander,
  sessions: Sessions,
  type: string,
  name: string,
  command: Command,
): void {
  const flags = requestFlags(command)
  const leaf = domain.command(kebabCase(name)).description(command.doc).summary(firstSentence(command.doc))
  addRequestFlags(leaf, flags)
  addRunOptions(leaf)
  setOwnFields(
    leaf,
    flags.fields.map(({ key }) => attributeOf(flags.flags.get(key) as string)),
  )
  addGlobalOptions(leaf, true)
  leaf.addHelpText('after', footer(domain.name(), name, command, flags))
  leaf.action(async (given: Readonly<Record<string, unknown>>) => {
    await sessions.run(leaf, async (session) => await run(session, type, command, flags, given))
  })
}

function addRunOptions(to: Commander): void {
  const group = 'How it is run:'
  const add = (flags: string, text: string): Option => {
    const option = new Option(flags, text).helpGroup(group)
    to.addOption(option)
    return option
  }
  add('--dry-run', 'decide and show the events, but let nothing happen')
  add(
    '--wait <level>',
    'answer once it is committed (default), projected: reads show it, or realized: hosts have done it',
  ).argParser(waitLevel).argChoices = [...waitLevels]
  add(
    '--command-id <uuid>',
    'a UUIDv7: the same id again gives the same answer and does nothing twice',
  ).argParser(commandId)
  add('--if-revision <n>', 'refuse it when the resource has changed since that revision').argParser(revision)
}

async function run(
  session: Session,
  type: string,
  command: Command,
  flags: RequestFlags,
  given: Readonly<Record<string, unknown>>,
): Promise<void> {
  const { globals, cloud } = session
  const data = await requestFrom(type, command, flags, given, globals.project, session.readText)
  const commandId = (given['commandId'] as string | undefined) ?? newCommandId()
  const wait = given['wait'] as WaitLevel | undefined
  const step =
    wait === 'projected' || wait === 'realized'
      ? session.progress.step(`${type}, until it is ${wait}`)
      : undefined
  if (given['dryRun'] !== true) session.ifInterrupted(retryHint(commandId))
  let reply: CommandReply
  try {
    reply = await cloud.command({
      type,
      data,
      commandId,
      wait,
      ifRevision: given['ifRevision'] as number | undefined,
      dryRun: given['dryRun'] === true ? true : undefined,
    })
  } catch (error) {
    step?.fail()
    throw error
  }
  step?.done()
  await printReply(session, { type, commandId, dryRun: given['dryRun'] === true, reply })
}

function waitLevel(text: string): WaitLevel {
  const found = waitLevels.find((level) => level === text)
  if (found !== undefined) return found
  throw usageError(
    `--wait: ${JSON.stringify(text)} is none of ${waitLevels.join(', ')}`,
    didYouMean(text, waitLevels),
  )
}

function commandId(text: string): string {
  if (uuidTime(text) !== undefined) return text
  throw usageError(`--command-id: ${JSON.stringify(text)} is no UUIDv7 (RFC 9562): it must carry its time`)
}

function revision(text: string): number {
  const value = Number(text)
  if (/^\d+$/.test(text) && Number.isSafeInteger(value) && value > 0) return value
  throw usageError(`--if-revision: ${JSON.stringify(text)} is no revision`)
}

function firstSentence(doc: string): string {
  return /^.*?[.!?](?= |$)/.exec(doc)?.[0] ?? doc
}

function footer(domain: string, name: string, command: Command, { fields, flags }: RequestFlags): string {
  const example = fields
    .filter(({ required }) => required)
    .map(({ key, type }) => {
      const flag = flags.get(key) as string
      const value = placeholder(type)
      if (value === undefined) return flag
      if (type.kind === 'choice') return `${flag} ${type.choices[0] ?? value}`
      return `${flag} ${key === 'project' ? 'PROJECT' : value.replaceAll(/[<>]/g, '').toUpperCase()}`
    })
  const line = ['  $ ultracloud', domain, kebabCase(name), ...example].join(' ')
  return `\nPermission: ${command.permission}\n\nExamples:\n${line}\n${line} --dry-run -o json\n\nOptions of every command (--server, --token, -o, --timeout, …): ultracloud --help\n`
}
