import { execFile } from 'node:child_process'
import { lstatSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** One file of the repository as text. `path` is relative to the root, with slashes. */
export interface SourceFile {
  path: string
  text: string
}

/** What guards judge: every text file that git tracks or would track. A test makes its own. */
export interface Repository {
  files: readonly SourceFile[]
}

/** One place that breaks a guard's promise. `line` counts from 1. */
export interface Finding {
  path: string
  line: number
  message: string
}

/** A promise about the surface of the repository; it finds every place where the promise does not hold. */
export interface Guard {
  name: string
  find(repository: Repository): Finding[]
}

/** Files with these names hold bytes or what tools generated, not what someone wrote. */
const NOT_TEXT = /\.(png|jpg|gif|ico|gz|zst|bin|img|qcow2|iso|wasm)$/

const run = promisify(execFile)

/** Reads the repository under `root` through git, so that what git ignores is left out. Rejects outside a work tree. */
export async function readRepository(root: string): Promise<Repository> {
  const args = ['ls-files', '-z', '--cached', '--others', '--exclude-standard']
  const { stdout } = await run('git', args, { cwd: root, maxBuffer: 64 * 1024 * 1024 })
  const paths = [...new Set(stdout.split('\0'))]
    .filter((path) => path !== '' && !NOT_TEXT.test(path))
    .toSorted()
  const files = await Promise.all(paths.map((path) => readSource(root, path)))
  return { files: files.filter((file) => file !== undefined) }
}

/** No part of the surface: a tracked file that is deleted in the work tree, and a link, whose target is judged itself. */
async function readSource(root: string, path: string): Promise<SourceFile | undefined> {
  const status = lstatSync(join(root, path), { throwIfNoEntry: false })
  return status?.isFile() === true ? { path, text: await readFile(join(root, path), 'utf8') } : undefined
}

/** All findings of all guards, each message led by its guard's name. */
export function findAll(guards: readonly Guard[], repository: Repository): Finding[] {
  return guards.flatMap((guard) =>
    guard.find(repository).map((finding) => ({ ...finding, message: `${guard.name}: ${finding.message}` })),
  )
}

/** `path:line guard: message`, as editors and terminals link it. */
export function formatFinding({ path, line, message }: Finding): string {
  return `${path}:${line} ${message}`
}

/**
 * The lines of `file` on which `pattern` matches, each reported once with the text that matched.
 * `pattern` must not be global or sticky: such a pattern keeps a position between lines.
 */
export function findLines(file: SourceFile, pattern: RegExp, message: string): Finding[] {
  return file.text.split('\n').flatMap((text, index) => {
    const match = pattern.exec(text)
    return match === null
      ? []
      : [{ path: file.path, line: index + 1, message: `${message}: ${match[0].trim()}` }]
  })
}
