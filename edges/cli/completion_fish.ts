import { readFile } from 'node:fs/promises'
import type { Arguments } from './completion_bash.ts'
import type { Candidates, CompletionFlag, CompletionNode } from './completion_model.ts'

/** A script for fish, with what each command and flag is for. */
export async function fishScript(nodes: readonly CompletionNode[], args: Arguments): Promise<string> {
  const engine = await readFile(new URL('completion_engine.fish', import.meta.url), 'utf8')
  const [root, ...rest] = nodes
  const docs = new Map(nodes.map(({ path, doc }) => [path, doc]))
  const lines = nodes.flatMap((node) => wordLines(node, docs, args))
  const shared = root === undefined ? [] : root.flags.map((flag) => flagLine('', flag))
  const common = new Set(root?.flags.map(({ flag }) => flag))
  const own = rest.flatMap(({ path, flags }) =>
    flags
      .filter(({ flag }) => !common.has(flag))
      .map((flag) => flagLine(` -n ${quoted(`__ultracloud_at ${path}`)}`, flag)),
  )
  return `# fish completion for ultracloud, made by: ultracloud completion fish

${tables(nodes)}

${engine}
complete -c ultracloud -f
${[...lines, ...shared, ...own].join('\n')}
complete -c ultracloud -n '__ultracloud_at get; and test (__ultracloud_arguments | count) -eq 1' -a '(ultracloud __complete (__ultracloud_arguments)[1] -- (commandline -opc)[2..] 2>/dev/null)'
complete -c ultracloud -n '__ultracloud_at why' -a '(__ultracloud_targets)'
`
}

function wordLines(
  { path, subcommands }: CompletionNode,
  docs: ReadonlyMap<string, string>,
  args: Arguments,
): readonly string[] {
  const at = path === '' ? '__ultracloud_at' : `__ultracloud_at ${path}`
  if (subcommands.length > 0) {
    return subcommands.map((name) => {
      const doc = docs.get(path === '' ? name : `${path} ${name}`) ?? ''
      return `complete -c ultracloud -n ${quoted(at)} -a ${quoted(name)} -d ${quoted(doc)}`
    })
  }
  const words = (args.get(path) ?? []).map((word) => (path === 'why' ? `${word}/` : word))
  const none = path === 'get' ? `${at}; and test (__ultracloud_arguments | count) -eq 0` : at
  return words.length === 0 ? [] : [`complete -c ultracloud -n ${quoted(none)} -a ${quoted(words.join(' '))}`]
}

function flagLine(condition: string, { flag, doc, value }: CompletionFlag): string {
  const short = flag === '--output' ? ' -s o' : flag === '--quiet' ? ' -s q' : ''
  const takes = value === undefined ? '' : ` ${candidates(value)}`
  return `complete -c ultracloud${condition} -l ${flag.slice(2)}${short}${takes} -d ${quoted(doc)}`
}

function candidates(value: Candidates): string {
  switch (value.from) {
    case 'choices':
      return `-x -a ${quoted(value.choices.join(' '))}`
    case 'names':
      return `-x -a ${quoted(`(ultracloud __complete ${value.kind}${value.uid ? ':uid' : ''} -- (commandline -opc)[2..] 2>/dev/null)`)}`
    case 'files':
      return '-r -F'
    case 'nothing':
      return '-x'
  }
}

function quoted(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`
}

/** What the engine knows of the commands: their paths, and the flags that take no value. */
function tables(nodes: readonly CompletionNode[]): string {
  const paths = nodes.map(({ path }) => path).filter((path) => path !== '')
  const bare = new Set(
    nodes.flatMap(({ flags }) => flags.filter(({ value }) => value === undefined).map(({ flag }) => flag)),
  )
  return [
    `set -g __ultracloud_paths ${paths.map(quoted).join(' ')}`,
    `set -g __ultracloud_bare ${[...bare, '--help', '-h', '-q', '-f', '-A'].join(' ')}`,
  ].join('\n')
}
