import { posix } from 'node:path'
import type { Guard, SourceFile } from '../guard.ts'

/** The target of a Markdown link, without its fragment; links to other sites and within a page are left alone. */
const LINK = /\]\((?![a-z][a-z+.-]*:|#)([^)\s#]+)(?:#[^)\s]*)?\)/g

/** Every link from a document to a file or folder of the repository leads somewhere. */
export const linksGuard: Guard = {
  name: 'links',
  find({ files }) {
    const targets = new Set(files.flatMap(({ path }) => [path, ...foldersOf(path)]))
    return files
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap((file) => linksOf(file))
      .filter(({ target }) => !targets.has(target))
      .map(({ path, line, link }) => ({ path, line, message: `nothing at ${link}` }))
  },
}

function linksOf({ path, text }: SourceFile): { path: string; line: number; link: string; target: string }[] {
  return text.split('\n').flatMap((content, index) =>
    [...content.matchAll(LINK)].map(([, link = '']) => ({
      path,
      line: index + 1,
      link,
      target: posix.join(posix.dirname(path), link).replace(/\/$/, ''),
    })),
  )
}

function foldersOf(path: string): string[] {
  const folder = posix.dirname(path)
  return folder === '.' ? [folder] : [folder, ...foldersOf(folder)]
}
