import type { Actor } from '../../domains/kernel/domain.ts'
import type { LogEntryView } from '../control_plane.ts'
import { eventLines, fieldsLine } from './reply.ts'
import type { ResourceNames } from './resource_names.ts'
import type { Style } from './style.ts'
import { timestamp } from './times.ts'
import { printable } from './values.ts'

/** Who acted, by name where that can be read. */
export function actorKind({ kind }: Actor): string | undefined {
  return kind === 'user' ? 'iam.user' : kind === 'service_account' ? 'iam.service_account' : undefined
}

/** An entry for a person: what was asked by whom, and, `detailed`, each event with its fields. */
export function entryLines(
  entry: LogEntryView,
  names: ResourceNames,
  style: Style,
  detailed: boolean,
): readonly string[] {
  const { revision, time, command, actor, cause, request, events } = entry
  const kind = actorKind(actor)
  const who = kind === undefined ? actor.principal : names.name(kind, actor.principal)
  const what = command === '' ? 'a history begins' : command
  const head = [
    style.bold(String(revision).padStart(6)),
    timestamp(time),
    style.cyan(what),
    style.dim(`by ${printable(who)}`),
    fieldsLine(request),
  ]
  const lines = [head.filter((part) => part !== '').join('  ')]
  const indent = ' '.repeat(8)
  if (cause !== '') lines.push(`${indent}${style.dim(`because of ${printable(cause)}`)}`)
  if (detailed) lines.push(...eventLines(events).map((line) => `${indent}${line}`))
  else if (events.length > 0) lines.push(`${indent}${style.dim(counted(events.map(({ type }) => type)))}`)
  return lines
}

/** `vm.InstanceCreated, vpc.PortAllocated ×2`, in the order of their first. */
function counted(types: readonly string[]): string {
  const counts = new Map<string, number>()
  for (const type of types) counts.set(type, (counts.get(type) ?? 0) + 1)
  return [...counts].map(([type, count]) => (count === 1 ? type : `${type} ×${count}`)).join(', ')
}
