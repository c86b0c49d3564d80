import type { Command, Option } from 'commander'
import type { Registry } from '../../domains/kernel/registry.ts'
import { formats } from './context.ts'
import { kebabCase } from './names.ts'

/** Where the words that may follow come from. */
export type Candidates =
  | { readonly from: 'choices'; readonly choices: readonly string[] }
  /** Names of resources, which only the cloud knows. */
  | { readonly from: 'names'; readonly kind: string; readonly uid: boolean }
  | { readonly from: 'files' }
  | { readonly from: 'nothing' }

export interface CompletionFlag {
  readonly flag: string
  readonly doc: string
  /** undefined: it takes no value. */
  readonly value: Candidates | undefined
}

/** A command as completion sees it. */
export interface CompletionNode {
  /** `vm create-instance`; empty for the program itself. */
  readonly path: string
  readonly doc: string
  readonly subcommands: readonly string[]
  readonly flags: readonly CompletionFlag[]
}

/** Every command with its flags, read off the program itself, so that completion knows exactly what it takes. */
export function completionModel(program: Command, registry: Registry): readonly CompletionNode[] {
  const nodes: CompletionNode[] = []
  const walk = (command: Command, path: readonly string[]): void => {
    const visible = command.commands.filter((each) => !each.name().startsWith('_'))
    nodes.push({
      path: path.join(' '),
      doc: command.summary() || command.description(),
      subcommands: visible.map((each) => each.name()),
      flags: command.options.map((option) => flagOf(registry, path, option)),
    })
    for (const each of visible) walk(each, [...path, each.name()])
  }
  walk(program, [])
  return nodes
}

function flagOf(registry: Registry, path: readonly string[], option: Option): CompletionFlag {
  const flag = option.long ?? option.short ?? ''
  const value = option.required || option.optional ? candidates(registry, path, flag, option) : undefined
  return { flag, doc: option.description, value }
}

function candidates(registry: Registry, path: readonly string[], flag: string, option: Option): Candidates {
  if (flag === '--output') return { from: 'choices', choices: formats }
  if (option.argChoices !== undefined) return { from: 'choices', choices: option.argChoices }
  if (/<(json|file|directory)>/i.test(option.flags)) return { from: 'files' }
  if (!/<(name|uid|text)>$/.test(option.flags)) return { from: 'nothing' }
  const kind = kindOfFlag(registry, path, flag.slice(2))
  return kind === undefined
    ? { from: 'nothing' }
    : { from: 'names', kind, uid: option.flags.endsWith('<uid>') }
}

/** The kind whose names a flag takes: `--image`, `--security-groups`, and `--name` of a command that does not make one. */
function kindOfFlag(
  registry: Registry,
  [domain = '', command = '']: readonly string[],
  flag: string,
): string | undefined {
  const kinds = [...registry.kinds.values()]
  const [verb = '', ...words] = command.split('-')
  const own = words.join('-')
  if (flag === 'name') {
    if (['create', 'register', 'put', 'allocate', ''].includes(verb)) return undefined
    const inDomain = kinds.filter(({ contract }) => contract.name === domain)
    const exact = inDomain.find(({ name }) => kebabCase(name) === own)
    return (exact ?? inDomain.find(({ name }) => own.startsWith(`${kebabCase(name)}-`)))?.id
  }
  const named = kinds.filter(
    ({ name, resource }) => kebabCase(name) === flag || kebabCase(resource.plural) === flag,
  )
  return (named.find(({ contract }) => contract.name === domain) ?? named[0])?.id
}
