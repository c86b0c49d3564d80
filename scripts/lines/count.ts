import type { SourceFile } from '../../proofs/surface/guard.ts'

/** Lines of one folder or of all. Blank lines are counted nowhere; `tests` are the lines of `*.test.ts`, code and comments. */
export interface LineCount {
  folder: string
  files: number
  code: number
  comments: number
  tests: number
}

/** The folders whose parts are counted one by one. */
const DIVIDED = new Set(['log', 'domains', 'projections', 'edges', 'hostd', 'proofs'])

const SOURCE = /\.(?:ts|mjs|sh|nix|html|css)$/
const COMMENT = /^(?:\/\/|\/\*|\*\/|\* |\*$|#(?!!))/

/** Counts the source files by folder, in the order of the folders' names, and adds a last row for all of them. */
export function countLines(files: readonly SourceFile[]): LineCount[] {
  const counts = new Map<string, LineCount>()
  const total: LineCount = { folder: 'all', files: 0, code: 0, comments: 0, tests: 0 }
  for (const file of files.filter(({ path }) => SOURCE.test(path))) {
    const folder = folderOf(file.path)
    const count = counts.get(folder) ?? { folder, files: 0, code: 0, comments: 0, tests: 0 }
    counts.set(folder, count)
    addFile(count, file)
    addFile(total, file)
  }
  return [...counts.values()].toSorted((a, b) => a.folder.localeCompare(b.folder)).concat(total)
}

function folderOf(path: string): string {
  const [first = '', second = '', ...rest] = path.split('/')
  if (second === '') return './'
  return DIVIDED.has(first) && rest.length > 0 ? `${first}/${second}/` : `${first}/`
}

function addFile(count: LineCount, { path, text }: SourceFile): void {
  const lines = text.split('\n').filter((line) => line.trim() !== '')
  const comments = lines.filter((line) => COMMENT.test(line.trim())).length
  count.files += 1
  if (path.endsWith('.test.ts')) {
    count.tests += lines.length
  } else {
    count.code += lines.length - comments
    count.comments += comments
  }
}
