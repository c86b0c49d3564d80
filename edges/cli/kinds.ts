import type { Kind, Registry } from '../../domains/kernel/registry.ts'
import { usageError } from './exit_codes.ts'
import { didYouMean, kebabCase } from './names.ts'

/** The words for a kind that completion and help show: `instance`, or `vm.instance` where two domains have one. */
export function kindWords(registry: Registry): ReadonlyMap<string, Kind> {
  const kinds = [...registry.kinds.values()]
  const count = new Map<string, number>()
  for (const { name } of kinds) count.set(name, (count.get(name) ?? 0) + 1)
  return new Map(
    kinds.map((kind) => [
      count.get(kind.name) === 1 ? kebabCase(kind.name) : `${kind.contract.name}.${kebabCase(kind.name)}`,
      kind,
    ]),
  )
}

/** A kind by any of its words: `instance`, `instances`, `vm.instance`, `security_group`. Throws a usage error listing what there is. */
export function findKind(registry: Registry, word: string): Kind {
  const wanted = kebabCase(word.trim()).replaceAll('--', '-')
  const domain = word.includes('.') ? word.slice(0, word.indexOf('.')) : undefined
  const name = domain === undefined ? wanted : kebabCase(word.slice(word.indexOf('.') + 1))
  const found = [...registry.kinds.values()].filter(
    (kind) =>
      (domain === undefined || kind.contract.name === domain) &&
      (kebabCase(kind.name) === name || kebabCase(kind.resource.plural) === name),
  )
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return only
  if (only !== undefined)
    throw usageError(`there are several kinds ${word}: say ${found.map(({ id }) => id).join(' or ')}`)
  const words = [...kindWords(registry).keys()]
  const plurals = [...registry.kinds.values()].map(({ resource }) => kebabCase(resource.plural))
  const ids = [...registry.kinds.keys()]
  const hint = didYouMean(wanted, domain === undefined ? [...words, ...plurals] : ids)
  throw usageError(
    `there is no kind ${word}`,
    [hint, `There are: ${words.join(', ')}`].filter((part) => part !== undefined).join('\n'),
  )
}

/** `kind/name`, as `why` takes it. Throws a usage error for anything else. */
export function parseTarget(registry: Registry, text: string): { kind: Kind; name: string } {
  const slash = text.indexOf('/')
  if (slash < 1 || slash === text.length - 1)
    throw usageError(`${JSON.stringify(text)} is no kind/name, such as instance/vm1`)
  return { kind: findKind(registry, text.slice(0, slash)), name: text.slice(slash + 1) }
}
