import type { Command } from 'commander'
import { exitCodes, usageError } from './exit_codes.ts'
import { DEFAULT_SERVER } from './global_options.ts'
import { didYouMean } from './names.ts'
import type { Sessions } from './session.ts'
import { pairs } from './table.ts'

const environmentVariables: readonly (readonly [string, string])[] = [
  ['ULTRACLOUD_SERVER', `where the cloud is (default ${DEFAULT_SERVER}); several with commas between`],
  ['ULTRACLOUD_TOKEN', 'who asks'],
  [
    'ULTRACLOUD_DATA',
    'the data directory (default ./work/data); its admin.token is taken when no other token is given',
  ],
  ['ULTRACLOUD_PROJECT', 'the project where --project says none'],
  ['NO_COLOR', 'no colors'],
]

const topics: Readonly<Record<string, () => string>> = {
  'exit-codes': () =>
    [
      'What the process ends with:',
      '',
      ...pairs(Object.values(exitCodes).map(({ code, meaning }) => [String(code).padStart(3), meaning])),
      '',
      'Errors go to stderr as "error: CODE: sentence" and, with -o json, as one JSON object. Codes are stable.',
    ].join('\n'),
  environment: () => ['What is read from the environment:', '', ...pairs(environmentVariables)].join('\n'),
}

/** What `help` knows besides commands. */
export const helpTopics: readonly string[] = Object.keys(topics)

/** Adds `help`: for a command, or for what is no command's. */
export function addHelpCommand(program: Command, { out }: Sessions): void {
  program
    .command('help')
    .argument('[topic...]', `a command, or one of: ${helpTopics.join(', ')}`)
    .description('Shows help for a command or a topic.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ ultracloud help vm create-instance\n  $ ultracloud help exit-codes\n',
    )
    .action(async (words: readonly string[]) => {
      const [word = ''] = words
      const topic = words.length === 1 ? topics[word] : undefined
      if (topic === undefined) showHelp(program, words)
      else await out.line(topic())
    })
}

function showHelp(program: Command, words: readonly string[]): void {
  let command = program
  for (const word of words) {
    const next = command.commands.find((each) => each.name() === word)
    if (next === undefined) {
      const known = command.commands.map((each) => each.name()).filter((name) => !name.startsWith('_'))
      const candidates = command === program ? [...known, ...helpTopics] : known
      throw usageError(
        `there is no help for ${words.join(' ')}`,
        didYouMean(word, candidates) ?? `There is for: ${candidates.join(', ')}`,
      )
    }
    command = next
  }
  command.outputHelp()
}
