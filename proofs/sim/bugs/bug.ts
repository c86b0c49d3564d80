/** A fault sown into the source, to see that the simulation would find it. */
export interface SownBug {
  readonly name: string
  /** Relative to the repository. */
  readonly file: string
  /** Occurs exactly once in the file. */
  readonly find: string
  readonly replace: string
}

/** One of the core's. */
export interface Bug extends SownBug {
  /** The property of Raft, or the promise, that does not hold with it. */
  readonly breaks: string
}
