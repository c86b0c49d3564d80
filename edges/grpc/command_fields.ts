import type { CommandReply, CommandRequest } from '../control_plane.ts'

/** A command as its method's request. */
export function commandFields(request: Omit<CommandRequest, 'actor'>): Record<string, unknown> {
  const { data, commandId, ifRevision, dryRun, wait, timeoutMilliseconds } = request
  const commandOptions = { commandId, ifRevision, dryRun, wait, timeoutMilliseconds }
  return { ...(data as Record<string, unknown>), commandOptions }
}

/** The answer to a command from its method's response. */
export function commandReply(response: Record<string, unknown>): CommandReply {
  const { commandOutcome, ...result } = response
  const { revision, history, duplicate, events } = commandOutcome as {
    revision: number
    history: string
    duplicate: boolean
    events: { type: string; dataJson: string }[]
  }
  const views = events.map(({ type, dataJson }) => {
    return { type, data: JSON.parse(dataJson) as Record<string, unknown> }
  })
  return { revision, history, duplicate, result, events: views.length === 0 ? undefined : views }
}
