import { z } from 'zod'
import { type Message, message } from '../contract.ts'

export const COMMON_PACKAGE = 'ultracloud.common.v1'

/** What may be said about how a command is to be run, beside what it is. */
export const CommandOptions = message({
  commandId: [1, z.string().max(200).describe('Same id, same answer; made by the server when empty.')],
  ifRevision: [
    2,
    z.int().min(1).optional().describe('Refused with REVISION_MISMATCH when the resource has changed since.'),
  ],
  dryRun: [3, z.boolean().describe('Decide and answer with the events, but let nothing happen.')],
  wait: [
    4,
    z
      .enum(['committed', 'projected', 'realized'])
      .optional()
      .describe('How far it must have come before the answer.'),
  ],
  timeoutMilliseconds: [5, z.int32().min(1).max(600_000).optional()],
})

/** An event as text that any JSON parser reads. */
export const Event = message({
  type: [1, z.string().describe('domain.Event')],
  dataJson: [2, z.string()],
})

/** What became of a command. */
export const CommandOutcome = message({
  revision: [1, z.int().describe('The log index of the decision.')],
  history: [2, z.string()],
  duplicate: [3, z.boolean().describe('The answer of an earlier run of the same command id.')],
  events: [4, z.array(Event.schema).describe('Dry runs alone: what would have happened.')],
})

/** Which state of the cloud a read shows. */
export const ReadOptions = message({
  at: [1, z.string().max(64).optional().describe('A revision, an RFC 3339 time, or how long ago (2h).')],
  minRevision: [2, z.int().min(0).optional().describe('Wait until this revision shows.')],
  consistency: [3, z.enum(['linearizable', 'stale']).optional()],
})

/** Which state of the cloud a read showed. */
export const ReadOutcome = message({
  revision: [1, z.int()],
  history: [2, z.string()],
})

/** What the kernel adds to each row: log indexes, and entry times in milliseconds since 1970. */
export const stampFields = {
  revision: [5, z.int().describe('The log index of the last change.')],
  createdRevision: [6, z.int().describe('The log index of the creation.')],
  createdAt: [7, z.int().describe('Milliseconds since 1970.')],
  updatedAt: [8, z.int().describe('Milliseconds since 1970.')],
} as const

/** The names of the messages that every service shares. */
export const commonMessages: ReadonlyMap<Message, string> = new Map<Message, string>([
  [CommandOptions, `${COMMON_PACKAGE}.CommandOptions`],
  [Event, `${COMMON_PACKAGE}.Event`],
  [CommandOutcome, `${COMMON_PACKAGE}.CommandOutcome`],
  [ReadOptions, `${COMMON_PACKAGE}.ReadOptions`],
  [ReadOutcome, `${COMMON_PACKAGE}.ReadOutcome`],
])
