/** A command that the documentation tells its reader to run. */
export interface DocumentedCommand {
  readonly text: string
  /** What the documentation shows as its answer; empty where it shows none. */
  readonly answer: readonly string[]
  /** Of the command in its file, from 1. */
  readonly line: number
}

export interface CodeBlock {
  readonly language: string
  readonly lines: readonly string[]
  /** Of its first line in its file, from 1. */
  readonly line: number
}

/** The fenced blocks of a Markdown text, in order. */
export function codeBlocks(markdown: string): readonly CodeBlock[] {
  const blocks: CodeBlock[] = []
  let open: { language: string; lines: string[]; line: number } | undefined
  for (const [index, text] of markdown.split('\n').entries()) {
    const fence = /^```(\w*)$/.exec(text)
    if (fence === null) open?.lines.push(text)
    else if (open === undefined) open = { language: fence[1] ?? '', lines: [], line: index + 2 }
    else {
      blocks.push(open)
      open = undefined
    }
  }
  return blocks
}

/** The commands of a Markdown text: of `console` blocks what follows `$ `, of `sh` blocks every line. */
export function commandsOf(markdown: string): readonly DocumentedCommand[] {
  return codeBlocks(markdown).flatMap(({ language, lines, line }) => {
    if (language === 'console') return session(lines, line)
    if (language === 'sh') return lines.map((text, index) => ({ text, answer: [], line: line + index }))
    return []
  })
}

function session(lines: readonly string[], first: number): readonly DocumentedCommand[] {
  const commands: { text: string; answer: string[]; line: number }[] = []
  for (const [index, text] of lines.entries()) {
    if (text.startsWith('$ ')) commands.push({ text: text.slice(2), answer: [], line: first + index })
    else if (text !== '') commands.at(-1)?.answer.push(text)
  }
  return commands
}

/** The command lines of this program that the prose names in passing, such as `ultracloud up`. */
export function namedInProse(markdown: string): readonly string[] {
  const prose = markdown.replaceAll(/^```[\s\S]*?^```$/gm, '')
  return [...prose.matchAll(/`ultracloud ([a-z][^`]*)`/g)].map((match) =>
    (match[1] ?? '').replaceAll(/\s+/g, ' '),
  )
}

/** The targets of a Markdown text's links that are files. */
export function linkedFiles(markdown: string): readonly string[] {
  return [...markdown.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map((match) => match[1] ?? '')
}
