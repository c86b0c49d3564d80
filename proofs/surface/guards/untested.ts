import { basename, dirname } from 'node:path'
import type { Finding, Guard, SourceFile } from '../guard.ts'

/** `  CreateZone: command({`, as contracts declare their commands. */
const COMMAND = /^\s*(\w+): command\(\{/

/** Every command of every contract is named by a test: as `domain.Command` anywhere, or by its name beside the domain. */
export const untestedGuard: Guard = {
  name: 'untested',
  find({ files }) {
    const tests = files.filter(({ path }) => path.endsWith('.test.ts'))
    const named = new Set(
      tests.flatMap(({ path, text }) => [
        ...(text.match(/\b[a-z]+\.[A-Z]\w+/g) ?? []),
        ...[...text.matchAll(/'([A-Z]\w+)'/g)].map(([, name]) => `${basename(dirname(path))}.${name}`),
      ]),
    )
    return files
      .flatMap(commandsOf)
      .filter(({ message }) => !named.has(message))
      .map(({ message, ...place }) => ({ ...place, message: `no test names the command ${message}` }))
  },
}

/** Where each command is declared; the message is `domain.Command`. */
function commandsOf({ path, text }: SourceFile): Finding[] {
  const domain = /^domains\/(\w+)\/contract\w*\.ts$/.exec(path)?.[1]
  if (domain === undefined || domain === 'kernel') return []
  return text.split('\n').flatMap((content, index) => {
    const command = COMMAND.exec(content)?.[1]
    return command === undefined ? [] : [{ path, line: index + 1, message: `${domain}.${command}` }]
  })
}
