import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { type Format, formats, type Globals } from './context.ts'
import { usageError } from './exit_codes.ts'
import { didYouMean } from './names.ts'
import type { Environment } from './output.ts'
import { parseDuration } from './times.ts'

export const DEFAULT_SERVER = '127.0.0.1:7420'
const SERVERS_MAX = 16

/** Flags that stand on every level; a command's own flag of the same name hides one there. */
function globalOptions(): readonly Option[] {
  return [
    new Option(
      '--server <host:port>',
      `where the cloud is; several, with commas between, are tried in turn (env ULTRACLOUD_SERVER, default ${DEFAULT_SERVER})`,
    ),
    new Option(
      '--token <token>',
      'who asks (env ULTRACLOUD_TOKEN, which keeps it out of the list of processes)',
    ),
    new Option(
      '--token-file <file>',
      'a file with the token (default: admin.token in ULTRACLOUD_DATA or ./work/data)',
    ),
    new Option(
      '--ca-file <file>',
      'the authorities (PEM) that the members’ certificates are of; without it, plaintext is spoken (env ULTRACLOUD_CA)',
    ),
    new Option('--project <name>', 'the project (env ULTRACLOUD_PROJECT)'),
    new Option('-o, --output <format>', `how to print it: ${formats.join(', ')}`)
      .choices(formats)
      .argParser(String),
    new Option(
      '--timeout <duration>',
      'how long to wait in all, retries included, such as 500ms, 30s, 2m (default 30s)',
    ),
    new Option('-q, --quiet', 'no progress and no notes on stderr: errors alone'),
  ]
}

/** Adds to a command what its own flags leave free, without showing it in its help. */
export function addGlobalOptions(command: Command, hidden: boolean): void {
  const taken = new Set(command.options.map((option) => option.attributeName()))
  for (const option of globalOptions()) {
    if (taken.has(option.attributeName())) continue
    command.addOption(hidden ? option.hideHelp() : option.helpGroup('Global options:'))
  }
}

/**
 * What was given on any level, the innermost first; a command's own field called `token` is no token of the caller's.
 * Throws a usage error for a value that is none.
 */
export function readGlobals(command: Command, env: Environment): Globals {
  const given = new Map<string, unknown>()
  for (let at: Command | null = command; at !== null; at = at.parent) {
    for (const name of globalNames) {
      const option = at.options.find((each) => each.attributeName() === name)
      if (option === undefined || ownFields.get(at)?.has(name) === true) continue
      const value: unknown = at.getOptionValue(name)
      if (value !== undefined && !given.has(name)) given.set(name, value)
    }
  }
  const text = (name: string): string | undefined => given.get(name) as string | undefined
  const timeout = text('timeout')
  return {
    servers: parseAddresses(
      '--server',
      text('server') ?? nonEmpty(env['ULTRACLOUD_SERVER']) ?? DEFAULT_SERVER,
    ),
    token: text('token') ?? (text('tokenFile') === undefined ? nonEmpty(env['ULTRACLOUD_TOKEN']) : undefined),
    tokenFile: text('tokenFile'),
    caFile: text('caFile') ?? nonEmpty(env['ULTRACLOUD_CA']),
    project: text('project') ?? nonEmpty(env['ULTRACLOUD_PROJECT']),
    format: parseFormat(text('output') ?? 'table'),
    timeoutMilliseconds: timeout === undefined ? undefined : parseDuration(timeout, '--timeout'),
    quiet: given.get('quiet') === true,
  }
}

const globalNames = [
  'server',
  'token',
  'tokenFile',
  'caFile',
  'project',
  'output',
  'timeout',
  'quiet',
] as const
const ownFields = new WeakMap<Command, ReadonlySet<string>>()

/** Says which of a command's flags are fields of its request, and so none of the global ones. `project` is both. */
export function setOwnFields(command: Command, names: readonly string[]): void {
  ownFields.set(command, new Set(names.filter((name) => name !== 'project')))
}

/** The bootstrap credential that `ultracloud up` leaves behind. */
export function defaultTokenFile(env: Environment): string {
  return join(nonEmpty(env['ULTRACLOUD_DATA']) ?? join('work', 'data'), 'admin.token')
}

function nonEmpty(value: string | undefined): string | undefined {
  return value === '' ? undefined : value
}

/** Where members are, comma-separated. Throws CliError `usage`, naming the flag. */
export function parseAddresses(flag: string, text: string): readonly [string, ...string[]] {
  const [first = '', ...others] = text.split(',').map((address) => address.trim())
  if (others.length >= SERVERS_MAX) throw usageError(`${flag}: more than ${SERVERS_MAX} addresses`)
  return [parseAddress(flag, first), ...others.map((address) => parseAddress(flag, address))]
}

/** Where a member is. Throws CliError `usage`, naming the flag. */
function parseAddress(flag: string, text: string): string {
  const [, port] = /^(?:\[[0-9a-fA-F:.]+\]|[^:[\]/\s]+):(\d{1,5})$/.exec(text) ?? []
  if (port === undefined || Number(port) < 1 || Number(port) > 65_535)
    throw usageError(`${flag}: ${JSON.stringify(text)} is no host:port, such as ${DEFAULT_SERVER}`)
  return text
}

function parseFormat(text: string): Format {
  const found = formats.find((format) => format === text)
  if (found !== undefined) return found
  throw usageError(
    `-o: there is no format ${JSON.stringify(text)}; there are ${formats.join(', ')}`,
    didYouMean(text, formats),
  )
}
