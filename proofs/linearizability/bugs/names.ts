/** Names the variable that holds the path of the file that holds the bug's name. */
export const BUG_FILE = 'LINEARIZABILITY_BUG_FILE'

export type BugName =
  | 'stale-read'
  | 'stale-hot-read'
  | 'lost-write'
  | 'double-apply'
  | 'dropped-event'
  | 'repeated-event'
  | 'revision-back'
