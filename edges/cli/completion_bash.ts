import { readFile } from 'node:fs/promises'
import type { Candidates, CompletionNode } from './completion_model.ts'

/** Arguments that are no flags, by the command's path. */
export type Arguments = ReadonlyMap<string, readonly string[]>

/**
 * A script for bash. Everything but names of resources is in it as tables, so that completion asks the cloud for names only.
 * It works without the bash-completion package, also where bash splits words at = and :.
 */
export async function bashScript(nodes: readonly CompletionNode[], args: Arguments): Promise<string> {
  const engine = await readFile(new URL('completion_engine.bash', import.meta.url), 'utf8')
  return `# bash completion for ultracloud, made by: ultracloud completion bash

${wordsFunction(nodes, args)}

${flagsFunction(nodes)}

${valueFunction(nodes)}

${engine}`
}

/** The subcommands of a path, or the arguments it takes. */
function wordsFunction(nodes: readonly CompletionNode[], args: Arguments): string {
  const cases = nodes.map(({ path, subcommands }) => {
    const words = subcommands.length > 0 ? subcommands : (args.get(path) ?? [])
    return words.length === 0 ? [] : [`    ${quoted(path)}) echo ${quoted(words.join(' '))} ;;`]
  })
  return ['_ultracloud_words() {', '  case "$1" in', ...cases.flat(), '  esac', '}'].join('\n')
}

function flagsFunction(nodes: readonly CompletionNode[]): string {
  const cases = nodes.map(
    ({ path, flags }) =>
      `    ${quoted(path)}) echo ${quoted([...flags.map(({ flag }) => flag), '--help'].join(' '))} ;;`,
  )
  return ['_ultracloud_flags() {', '  case "$1" in', ...cases, '  esac', '}'].join('\n')
}

/** Succeeds for a flag that takes a value: @names KIND, @files, or the choices. What is the same everywhere is said once. */
function valueFunction(nodes: readonly CompletionNode[]): string {
  const byFlag = new Map<string, Map<string | undefined, string[]>>()
  for (const { path, flags } of nodes) {
    for (const { flag, value } of flags) {
      const said = value === undefined ? undefined : word(value)
      const paths = byFlag.get(flag) ?? new Map<string | undefined, string[]>()
      paths.set(said, [...(paths.get(said) ?? []), path])
      byFlag.set(flag, paths)
    }
  }
  const particular: string[] = []
  const general = new Map<string | undefined, string[]>()
  for (const [flag, values] of byFlag) {
    const [usual, ...others] = [...values].sort(([, a], [, b]) => b.length - a.length)
    for (const [said, paths] of others)
      particular.push(`    ${paths.map((path) => quoted(`${path} ${flag}`)).join('|')}) ${action(said)} ;;`)
    if (usual !== undefined)
      general.set(usual[0], [...(general.get(usual[0]) ?? []), `*${quoted(` ${flag}`)}`])
  }
  const usually = [...general]
    .filter(([said]) => said !== undefined)
    .map(([said, patterns]) => `    ${patterns.join('|')}) ${action(said)} ;;`)
  const short = "    *' -o') echo 'table wide json jsonl name' ;;"
  const lines = [...particular, ...usually, short, '    *) return 1 ;;']
  return ['_ultracloud_value() {', '  case "$1 $2" in', ...lines, '  esac', '}'].join('\n')
}

function action(said: string | undefined): string {
  return said === undefined ? 'return 1' : said === '' ? ':' : `echo ${quoted(said)}`
}

function word(value: Candidates): string {
  switch (value.from) {
    case 'choices':
      return value.choices.join(' ')
    case 'names':
      return `@names ${value.kind}${value.uid ? ':uid' : ''}`
    case 'files':
      return '@files'
    case 'nothing':
      return ''
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", String.raw`'\''`)}'`
}
