import type { CommandReply, EventView } from '../control_plane.ts'
import type { Session } from './session.ts'
import { pairs } from './table.ts'
import { cell, inline } from './values.ts'

export interface Answered {
  readonly type: string
  readonly commandId: string
  readonly dryRun: boolean
  readonly reply: CommandReply
}

/** What became of a command: its result, and for a dry run the events that would happen. */
export async function printReply({ out, globals }: Session, answered: Answered): Promise<void> {
  const { type, commandId, dryRun, reply } = answered
  const { revision, history, duplicate, result, events } = reply
  switch (globals.format) {
    case 'json':
    case 'jsonl': {
      const whole = {
        type,
        revision,
        history,
        commandId,
        duplicate,
        dryRun,
        result,
        ...(dryRun ? { events: events ?? [] } : {}),
      }
      await out.line(JSON.stringify(whole, null, globals.format === 'json' ? 2 : undefined))
      return
    }
    case 'name': {
      const [first] = Object.values(result)
      if (first !== undefined) await out.line(cell(first))
      return
    }
    default: {
      const { green, yellow, dim } = out.style
      const again = duplicate ? dim(', as it was answered before') : ''
      const head = dryRun
        ? yellow(`${type} would be accepted; nothing has happened`)
        : `${green(type)} is in the log at revision ${revision}${again}`
      await out.line(head)
      const said = Object.entries(result).filter(([, value]) => value !== undefined && value !== null)
      for (const line of pairs(said.map(([key, value]) => [key, inline(value)]))) await out.line(line)
      if (dryRun) for (const line of eventLines(events ?? [])) await out.line(`  ${line}`)
    }
  }
}

/** `vm.InstanceCreated name=vm1 …`, a line each. */
export function eventLines(events: readonly EventView[]): readonly string[] {
  return events.map(({ type, data }) => [type, fieldsLine(data)].filter((part) => part !== '').join('  '))
}

/** `project=demo name=vm1`: what says nothing (empty, null) is left out. */
export function fieldsLine(data: Readonly<Record<string, unknown>>): string {
  return Object.entries(data)
    .filter(([, value]) => !saysNothing(value))
    .map(([key, value]) => `${key}=${inline(value)}`)
    .join(' ')
}

function saysNothing(value: unknown): boolean {
  if (value === null || value === undefined || value === '') return true
  return typeof value === 'object' && Object.keys(value).length === 0
}
