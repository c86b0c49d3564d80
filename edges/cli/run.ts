import { Command, CommanderError } from 'commander'
import { Rejection } from '../../domains/kernel/rejection.ts'
import manifest from '../../package.json' with { type: 'json' }
import { addCompletionCommands } from './completion_command.ts'
import type { CliEnvironment, ExtraContext } from './context.ts'
import { addDiffCommand } from './diff_command.ts'
import { addDomainCommands } from './domain_commands.ts'
import { CliError, exitCodes, fromRejection, usageError } from './exit_codes.ts'
import { addGetCommand } from './get_command.ts'
import { addGlobalOptions, readGlobals } from './global_options.ts'
import { addHelpCommand } from './help_command.ts'
import { addLogCommand, addWhyCommand } from './history_commands.ts'
import { PipeClosed } from './output.ts'
import { printError } from './print_error.ts'
import { Progress } from './progress.ts'
import { Sessions } from './session.ts'
import { addStatusCommand } from './status_command.ts'

const HELP_WIDTH_MAX = 120

/** Runs one command line and resolves with the exit code (see `exitCodes`). It prints every error itself and never rejects. */
export async function runCli(argv: readonly string[], environment: CliEnvironment): Promise<number> {
  const sessions = new Sessions(environment)
  const progresses: Progress[] = []
  const program = buildProgram(sessions, progresses, argv[0])
  try {
    await program.parseAsync([...argv], { from: 'user' })
    return exitCodes.ok.code
  } catch (error) {
    for (const progress of progresses) progress.close()
    if (error instanceof PipeClosed) return exitCodes.ok.code
    if (error instanceof CommanderError && error.exitCode === 0) return exitCodes.ok.code
    if (error instanceof CommanderError && error.code === 'commander.help') return exitCodes.usage.code
    return await end(error, program, argv, sessions)
  } finally {
    for (const progress of progresses) progress.close()
  }
}

/** The whole tree of commands; without those of the domains, which take long to make, where the first word is one of `extra`. */
function buildProgram(sessions: Sessions, progresses: Progress[] = [], word?: string): Command {
  const { stdout, stderr, env, extra } = sessions.environment
  const program = new Command('ultracloud')
  const width = (stream: { readonly columns?: number }): number =>
    Math.min(stream.columns ?? 100, HELP_WIDTH_MAX)
  program
    .description('A cloud for the machines you own, driven by one replicated log.')
    .usage('[options] <command> …')
    .version(manifest.version, '--version', 'prints the version')
    .enablePositionalOptions()
    .helpCommand(false)
    .helpOption('-h, --help', 'shows help for a command')
    .showSuggestionAfterError(true)
    .configureHelp({ optionDescription: ({ description }) => description })
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void stdout.write(text),
      writeErr: (text) => void stderr.write(text),
      outputError: () => undefined,
      getOutHelpWidth: () => width(stdout),
      getErrHelpWidth: () => width(stderr),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
  addGlobalOptions(program, false)
  const context: ExtraContext = {
    out: sessions.out,
    stderr,
    env,
    globals: (command) => readGlobals(command, env),
    progress: (command) => {
      const progress = new Progress(stderr, env, readGlobals(command, env).quiet)
      progresses.push(progress)
      return progress
    },
  }
  program.commandsGroup('The cloud:')
  for (const add of extra) add(program, context)
  if (program.commands.some((command) => command.name() === word)) return program
  addStatusCommand(program, sessions)
  program.commandsGroup('What is and what was:')
  addGetCommand(program, sessions)
  addLogCommand(program, sessions)
  addWhyCommand(program, sessions)
  addDiffCommand(program, sessions)
  addDomainCommands(program, sessions)
  program.commandsGroup('Help:')
  addHelpCommand(program, sessions)
  addCompletionCommands(program, sessions)
  program.addHelpText(
    'after',
    `
Examples:
  $ ultracloud up                                             start a cloud on this machine
  $ ultracloud status
  $ ultracloud vm create-instance --help
  $ ultracloud get instances --project demo --at 2h           as it was two hours ago

More: ultracloud help exit-codes, ultracloud help environment
`,
  )
  return program
}

async function end(
  error: unknown,
  program: Command,
  argv: readonly string[],
  sessions: Sessions,
): Promise<number> {
  const failure = asCliError(error, program, argv)
  await printError(failure, wantsJson(argv), sessions.err)
  return exitCodes[failure.reason].code
}

function asCliError(error: unknown, program: Command, argv: readonly string[]): CliError {
  if (error instanceof CliError) return error
  if (error instanceof Rejection) return fromRejection(error, false)
  if (error instanceof CommanderError) {
    const [message = '', ...more] = error.message.replace(/^error: /, '').split('\n')
    const suggestion = more.map((line) => line.replace(/^\((.*)\)$/, '$1')).join(' ')
    const help = `See: ${path(deepest(program, argv))} --help`
    return usageError(message, suggestion === '' ? help : `${suggestion}\n${help}`)
  }
  return new CliError('rejected', error instanceof Error ? error.message : String(error))
}

/** The command that the words name, as far as they name one. */
function deepest(program: Command, argv: readonly string[]): Command {
  let command = program
  for (const word of argv) {
    const next = command.commands.find((each) => each.name() === word)
    if (next !== undefined) command = next
  }
  return command
}

function path(command: Command): string {
  return command.parent === null ? command.name() : `${path(command.parent)} ${command.name()}`
}

/** Errors are JSON where answers are; the command line may be too wrong to be parsed. */
function wantsJson(argv: readonly string[]): boolean {
  return argv.some((word, index) => {
    if (word === '-ojson' || word === '-ojsonl' || /^--output=jsonl?$/.test(word)) return true
    return (word === '-o' || word === '--output') && /^jsonl?$/.test(argv[index + 1] ?? '')
  })
}
