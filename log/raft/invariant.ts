/** A broken invariant: the member must stop, since going on could lose or fork the log. */
export class InvariantError extends Error {
  readonly code = 'RAFT_INVARIANT'
  constructor(message: string) {
    super(message)
    this.name = 'InvariantError'
  }
}

/** Always on, in production too. Throws InvariantError. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}
