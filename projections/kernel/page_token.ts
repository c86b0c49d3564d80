import { reject } from '../../domains/kernel/rejection.ts'
import { type Moment, parseMoment } from './moment.ts'

/** Where the next page begins: it shows the revision of the first one, whatever has happened since. */
export interface PageToken {
  readonly history: string
  readonly revision: number
  readonly after: readonly [project: string, name: string, key: string]
}

export function pageTokenText(token: PageToken): string {
  return Buffer.from(JSON.stringify(token)).toString('base64url')
}

/** Rejects with INVALID_ARGUMENT. */
export function parsePageToken(text: string): PageToken {
  try {
    const token = JSON.parse(Buffer.from(text, 'base64url').toString()) as PageToken
    const sound =
      Number.isInteger(token.revision) &&
      token.after.length === 3 &&
      token.after.every((part) => typeof part === 'string')
    if (sound && typeof token.history === 'string') return token
  } catch {
    // Falls through to the rejection below.
  }
  return reject('INVALID_ARGUMENT', 'that is no page token: give the nextPageToken of the page before', {
    field: 'pageToken',
  })
}

interface Pins {
  readonly at?: string | undefined
  readonly pageToken?: string | undefined
}

/** The moment that a read is pinned to; undefined when it shows the present. Rejects with INVALID_ARGUMENT. */
export function pinnedMoment({ at = '', pageToken = '' }: Pins): Moment | undefined {
  if (pageToken !== '') return { revision: parsePageToken(pageToken).revision }
  return at === '' ? undefined : parseMoment(at, Date.now())
}
