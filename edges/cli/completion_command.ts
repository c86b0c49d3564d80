import type { Command } from 'commander'
import type { Kind } from '../../domains/kernel/registry.ts'
import { type Arguments, bashScript } from './completion_bash.ts'
import { fishScript } from './completion_fish.ts'
import { type CompletionNode, completionModel } from './completion_model.ts'
import { CliError, usageError } from './exit_codes.ts'
import { addGlobalOptions } from './global_options.ts'
import { helpTopics } from './help_command.ts'
import { findKind, kindWords } from './kinds.ts'
import { didYouMean } from './names.ts'
import type { Session, Sessions } from './session.ts'

/** A person waits for it with a finger on the key. */
const TIMEOUT = '2s'
const NAMES_MAX = 500

const scripts = {
  bash: bashScript,
  zsh: zshScript,
  fish: fishScript,
} as const satisfies Record<string, (nodes: readonly CompletionNode[], args: Arguments) => Promise<string>>

/** Adds `completion`, and the hidden `__complete` that its scripts ask for names. */
export function addCompletionCommands(program: Command, sessions: Sessions): void {
  const { registry } = sessions.environment
  const shells = Object.keys(scripts)
  program
    .command('completion')
    .argument('<shell>', shells.join(', '))
    .description('Prints a script that completes commands, flags, kinds and names in a shell.')
    .addHelpText(
      'after',
      `
Examples:
  $ source <(ultracloud completion bash)                                           for now, in bash
  $ ultracloud completion bash > ~/.local/share/bash-completion/completions/ultracloud
  $ source <(ultracloud completion zsh)                                            after compinit
  $ ultracloud completion fish > ~/.config/fish/completions/ultracloud.fish
`,
    )
    .action(async (shell: string) => {
      if (!Object.hasOwn(scripts, shell))
        throw usageError(
          `there is no completion for ${shell}`,
          didYouMean(shell, shells) ?? `There is for: ${shells.join(', ')}`,
        )
      const kinds = [...kindWords(registry).keys()]
      const args = new Map([
        ['get', kinds],
        ['why', kinds],
        ['completion', shells],
        [
          'help',
          [
            ...program.commands.map((each) => each.name()).filter((name) => !name.startsWith('_')),
            ...helpTopics,
          ],
        ],
      ])
      const script = scripts[shell as keyof typeof scripts]
      await sessions.out.write(await script(completionModel(program, registry), args))
    })
  const complete = program
    .command('__complete', { hidden: true })
    .argument('<kind>')
    .argument('[words...]')
    .description('Prints the names of a kind for the words typed so far; nothing when they can not be had.')
  addGlobalOptions(complete, true)
  complete.action(async (word: string, words: readonly string[]) => {
    const [kindWord = '', part] = word.split(':')
    const kind = findKind(registry, kindWord)
    for (const [name, value] of Object.entries(spoken(words))) complete.setOptionValue(name, value)
    complete.setOptionValue('timeout', TIMEOUT)
    complete.setOptionValue('quiet', true)
    await sessions.run(complete, async (session) => await printNames(session, kind, part === 'uid'))
  })
}

/** zsh runs bash's script: its bashcompinit (zshcompsys(1)) gives what that needs. */
async function zshScript(nodes: readonly CompletionNode[], args: Arguments): Promise<string> {
  return `# zsh completion for ultracloud, made by: ultracloud completion zsh
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }
autoload -Uz +X bashcompinit && bashcompinit

${await bashScript(nodes, args)}`
}

async function printNames(session: Session, kind: Kind, uid: boolean): Promise<void> {
  const project = kind.resource.scope === 'project' ? session.globals.project : undefined
  let left = NAMES_MAX
  try {
    for await (const { rows } of session.cloud.pages({
      kind: kind.id,
      project,
      consistency: 'stale',
      pageSize: NAMES_MAX,
    })) {
      const shown = rows.slice(0, left)
      await session.out.write(shown.map((row) => `${String(row[uid ? 'uid' : 'name'])}\n`).join(''))
      left -= shown.length
      if (left <= 0) return
    }
  } catch (error) {
    if (!(error instanceof CliError)) throw error
  }
}

/** What the words say of where to ask. A later `--token` may be a field of a command: only one before it counts. */
function spoken(words: readonly string[]): Readonly<Record<string, string>> {
  const names: Readonly<Record<string, string>> = {
    '--server': 'server',
    '--project': 'project',
    '--token-file': 'tokenFile',
  }
  const said: Record<string, string> = {}
  let leading = true
  for (let index = 0; index < words.length; index++) {
    const word = words[index] as string
    const equals = word.indexOf('=')
    const flag = equals === -1 ? word : word.slice(0, equals)
    const name = names[flag] ?? (leading && flag === '--token' ? 'token' : undefined)
    const value = equals === -1 ? words[index + 1] : word.slice(equals + 1)
    if (name !== undefined && value !== undefined && value !== '') said[name] = value
    if (name !== undefined && equals === -1) index += 1
    else if (!word.startsWith('-')) leading = false
  }
  return said
}
