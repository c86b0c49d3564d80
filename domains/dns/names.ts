import { reject } from '../kernel/rejection.ts'
import { normalizeName, parseMailbox } from './records.ts'

/** So that the name of a record set’s row, which holds the type too, fits 255 characters. */
const NAME_MAX = 248

/** The canonical text of a name. Rejects with INVALID_ARGUMENT, naming the field. */
export function requireName(field: string, name: string): string {
  const normal = normalizeName(name)
  if (!normal.ok) return reject('INVALID_ARGUMENT', `${field}: ${normal.message}`, { field })
  if (normal.name.length > NAME_MAX)
    reject('INVALID_ARGUMENT', `${field}: the name is longer than ${NAME_MAX} characters`, { field })
  return normal.name
}

/** The name form of a mailbox. Rejects with INVALID_ARGUMENT. */
export function requireMailbox(mailbox: string): string {
  const parsed = parseMailbox(mailbox)
  if (!parsed.ok) return reject('INVALID_ARGUMENT', `mailbox: ${parsed.message}`, { field: 'mailbox' })
  return requireName('mailbox', parsed.name.text)
}

/** The zones a name could be in, from the nearest: the name itself and all that are above it. */
export function suffixes(name: string): readonly string[] {
  const labels = name.split('.')
  return labels.map((_, i) => labels.slice(i).join('.'))
}

export function isBelow(name: string, zone: string): boolean {
  return name.endsWith(`.${zone}`)
}
