import type { Finding, Guard, Repository, SourceFile } from '../guard.ts'

/** `npm run [-s] NAME [-- FIRST-ARGUMENT]` or `npm test`, as documents show it. */
const NPM_RUN = /\bnpm (?:run (?:-s )?([a-z][\w:-]*)|(test)\b)(?: -- ([a-z][\w-]*)(?![\w./]))?/g

/** Every npm script, proof and benchmark that a document tells the reader to run is there. */
export const scriptsGuard: Guard = {
  name: 'scripts',
  find(repository) {
    const scripts = scriptNames(repository)
    return repository.files
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap((file) => commandsOf(file))
      .filter(({ script, argument }) => !scripts.has(script) || !argumentExists(repository, script, argument))
      .map(({ path, line, command }) => ({ path, line, message: `there is no ${command}` }))
  },
}

interface DocumentedCommand extends Omit<Finding, 'message'> {
  command: string
  script: string
  argument: string | undefined
}

function commandsOf({ path, text }: SourceFile): DocumentedCommand[] {
  return text.split('\n').flatMap((content, index) =>
    [...content.matchAll(NPM_RUN)].map(([command, run, test, argument]) => ({
      path,
      line: index + 1,
      command,
      script: run ?? test ?? '',
      argument,
    })),
  )
}

function scriptNames({ files }: Repository): Set<string> {
  const manifest: unknown = JSON.parse(files.find(({ path }) => path === 'package.json')?.text ?? '{}')
  if (typeof manifest !== 'object' || manifest === null || !('scripts' in manifest)) return new Set()
  return new Set(Object.keys(manifest.scripts ?? {}))
}

function argumentExists({ files }: Repository, script: string, argument: string | undefined): boolean {
  if (argument === undefined) return true
  const file = { proof: `proofs/${argument}/main.ts`, bench: `proofs/bench/${argument}.ts` }[script]
  return file === undefined || files.some(({ path }) => path === file)
}
