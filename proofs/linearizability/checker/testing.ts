import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import { ConcreteStore } from './concrete_store.ts'
import { isWrite, type KvInput, type KvOperation, type KvOutput, type Part, txn } from './operations.ts'

/** Tries every order of a small history, and every revision for what has no answer. */
export function isLinearizableByForce(operations: readonly KvOperation[]): boolean {
  const revisions = operations.map(({ output }) =>
    output !== undefined && 'revision' in output ? output.revision : 0,
  )
  const highest = Math.max(1, ...revisions) + 1
  const go = (store: ConcreteStore, left: readonly KvOperation[]): boolean => {
    const horizon = Math.min(...left.map(({ end }) => end))
    if (horizon === Number.POSITIVE_INFINITY) return true
    return left
      .filter(({ call }) => call <= horizon)
      .some((operation) => {
        const others = left.filter((each) => each !== operation)
        return afterwards(store, operation, highest).some((after) => go(after, others))
      })
  }
  return go(new ConcreteStore(), operations)
}

function afterwards(
  store: ConcreteStore,
  { input, output }: KvOperation,
  highest: number,
): readonly ConcreteStore[] {
  if (output === undefined) {
    const writes = store.writes(input)
    const revisions = writes
      ? Array.from(
          { length: Math.max(0, highest - store.revision) },
          (_, index) => store.revision + 1 + index,
        )
      : [store.revision]
    return revisions.map((revision) => done(store, input, revision).after)
  }
  const told = 'revision' in output ? output.revision : store.revision
  const isLook = input.kind === 'keepalive' || input.kind === 'inspect'
  if (isLook && told < store.revision) return []
  const { after, answer } = done(store, input, isLook ? store.revision : told)
  if (isLook && answer !== undefined && 'revision' in answer)
    return isDeepStrictEqual({ ...answer, revision: told }, output) ? [after] : []
  return isDeepStrictEqual(answer, output) ? [after] : []
}

function done(store: ConcreteStore, input: KvInput, revision: number) {
  const after = new ConcreteStore(store)
  const answer = after.do(input, revision)
  return { after, answer }
}

const key = fc.constantFrom('g/a', 'g/b')
const lease = fc.constantFrom('0', '0', '0', '7', '8')
/** Stands for the value that an operation puts, which is unique; or, in a comparison, for one that an earlier operation put. */
const value = fc.constantFrom('x', 'y', 'z')
const part = fc.oneof(
  fc.record({ kind: fc.constant('get' as const), key }),
  fc.constant({ kind: 'get' as const, key: 'g/', end: 'g0' }),
  fc.record({ kind: fc.constant('put' as const), key, value, lease, previous: fc.boolean() }),
  fc.record({ kind: fc.constant('delete' as const), key, previous: fc.boolean() }),
  fc.constant({ kind: 'delete' as const, key: 'g/', end: 'g0', previous: false }),
)
const comparison = fc.oneof(
  fc.record({ key, target: fc.constant('value' as const), operand: value }),
  fc.record({
    key,
    target: fc.constantFrom('create' as const, 'mod' as const, 'version' as const),
    operand: fc.integer({ min: 0, max: 4 }),
  }),
)
const input: fc.Arbitrary<KvInput> = fc.oneof(
  { weight: 6, arbitrary: part.map((each) => txn([each])) },
  {
    weight: 3,
    arbitrary: fc.record({
      kind: fc.constant('txn' as const),
      compare: fc.array(comparison, { minLength: 1, maxLength: 2 }),
      success: fc.array(part, { maxLength: 2 }),
      failure: fc.array(part, { maxLength: 1 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom<KvInput>(
      { kind: 'grant', lease: '7', ttlSeconds: 2 },
      { kind: 'revoke', lease: '7' },
      { kind: 'keepalive', lease: '7' },
      { kind: 'inspect', lease: '7' },
      { kind: 'grant', lease: '8', ttlSeconds: 2 },
      { kind: 'expire', lease: '7' },
      { kind: 'expire', lease: '8' },
    ),
  },
)

/** What happens to an operation: how long before and after its instant it is called and answered, and whether it is answered, or happens. */
const fateWith = (...outcomes: readonly ('answered' | 'silent' | 'lost')[]) =>
  fc.record({
    input,
    before: fc.integer({ min: 0, max: 25 }),
    after: fc.integer({ min: 0, max: 25 }),
    /** Revisions of other keys in between. */
    gap: fc.constantFrom(0, 0, 0, 1),
    outcome: fc.constantFrom(...outcomes),
  })
const fates = {
  usual: fateWith('answered', 'answered', 'answered', 'silent', 'lost'),
  silent: fateWith('answered', 'silent', 'silent'),
}

/** A history that a store has made, in which some answers are lost and some requests, too. */
export function historyArbitrary(
  lengthMax: number,
  kind: keyof typeof fates = 'usual',
): fc.Arbitrary<KvOperation[]> {
  return fc.array(fates[kind], { minLength: 1, maxLength: lengthMax }).map((all) => {
    const store = new ConcreteStore()
    return all.flatMap((each, index): KvOperation[] => {
      const instant = 10 * (index + 1)
      const input = withUniqueValues(each.input, index)
      const asked = { id: index, client: index, call: instant - each.before, input }
      const isOpen = { ...asked, end: Number.POSITIVE_INFINITY, output: undefined }
      if (each.outcome === 'lost') return isWrite(input) ? [isOpen] : []
      const revision = store.revision + each.gap + (store.writes(input) ? 1 : 0)
      const output = store.do(input, revision)
      if (each.outcome === 'silent' || input.kind === 'expire') return isWrite(input) ? [isOpen] : []
      return [{ ...asked, end: instant + each.after, output }]
    })
  })
}

function withUniqueValues(input: KvInput, index: number): KvInput {
  if (input.kind !== 'txn') return input
  const parts = (side: string, list: readonly Part[]): readonly Part[] =>
    list.map((each, at) => (each.kind === 'put' ? { ...each, value: `${index}${side}${at}` } : each))
  const earlier = { x: index - 1, y: index - 2, z: 0 } as Readonly<Record<string, number>>
  return {
    ...input,
    compare: input.compare.map((each) =>
      each.target === 'value' ? { ...each, operand: `${earlier[each.operand]}s0` } : each,
    ),
    success: parts('s', input.success),
    failure: parts('f', input.failure),
  }
}

/** A history in which one answer is another operation's, or has another revision, or comes at another time. */
export function mutatedArbitrary(lengthMax: number): fc.Arbitrary<KvOperation[]> {
  const mutation = fc.record({
    at: fc.nat(),
    from: fc.nat(),
    kind: fc.constantFrom('answer', 'revision', 'time', 'value'),
    by: fc.constantFrom(-2, -1, 1, 2),
  })
  return fc.tuple(historyArbitrary(lengthMax), mutation).map(([operations, { at, from, kind, by }]) => {
    const index = at % Math.max(1, operations.length)
    const target = operations[index]
    const source = operations[from % Math.max(1, operations.length)]
    if (target?.output === undefined || source === undefined) return operations
    const changed = mutated(target, source, kind, by)
    return operations.map((each) => (each === target ? changed : each))
  })
}

function mutated(target: KvOperation, source: KvOperation, kind: string, by: number): KvOperation {
  const { output } = target
  if (kind === 'time') return { ...target, call: target.call + 20 * by, end: target.end + 20 * by }
  if (kind === 'answer' && source.output?.kind === output?.kind) return { ...target, output: source.output }
  if (kind === 'value' && output?.kind === 'txn') return { ...target, output: withOtherValue(output, by) }
  if (output !== undefined && 'revision' in output)
    return { ...target, output: { ...output, revision: Math.max(1, output.revision + by) } }
  return target
}

function withOtherValue(output: Extract<KvOutput, { kind: 'txn' }>, by: number): KvOutput {
  const answers = output.answers.map((answer) =>
    answer.kind === 'get'
      ? { ...answer, found: answer.found.map((kv) => ({ ...kv, mod: Math.max(1, kv.mod + by) })) }
      : answer,
  )
  return { ...output, answers }
}
