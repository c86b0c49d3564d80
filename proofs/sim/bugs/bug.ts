/** A fault sown into the source, to see that the simulation would find it. */
export interface Bug {
  readonly name: string
  /** The property of Raft, or the promise, that does not hold with it. */
  readonly breaks: string
  /** Relative to the repository. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
}
