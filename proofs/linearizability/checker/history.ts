/**
 * One operation of a client: when it was called and when it was answered, in milliseconds of one monotonic clock. An operation whose
 * outcome is not known (no answer, a timeout, a lost leader) has no output and never ended: it may take effect at any time after its
 * call, or never. Operations that failed for certain are not in a history at all.
 */
export interface Operation<Input, Output> {
  readonly id: number
  readonly client: number
  readonly call: number
  /** `Number.POSITIVE_INFINITY` when the outcome is not known. */
  readonly end: number
  readonly input: Input
  readonly output: Output | undefined
}

/** What a history is checked against: a sequential object. */
export interface Model<State, Input, Output> {
  readonly initial: State
  /**
   * The states that the object can be in after an operation that was answered like this; none when it cannot have been. Without an
   * output: the states that the operation can have led to if it took effect.
   */
  readonly step: (
    state: State,
    operation: Pick<Operation<Input, Output>, 'id' | 'input' | 'output'>,
  ) => readonly State[]
  /** Equal for equal states only. */
  readonly key: (state: State) => string
}
