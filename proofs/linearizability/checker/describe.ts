import type { KeyValue, KvInput, KvOperation, KvOutput, Part, PartAnswer } from './operations.ts'

const HIDDEN_OPEN_MAX = 12

/**
 * A history for people: a line an operation in the order of their calls, with times in milliseconds from the first one, and, for each, its
 * place in the order that explains the most; what has none is what no order explains.
 */
export function describeHistory(operations: readonly KvOperation[], longest: readonly number[]): string {
  const begin = Math.min(...operations.map(({ call }) => call))
  const places = new Map(longest.map((id, index) => [id, index + 1]))
  const byCall = operations.toSorted((a, b) => a.call - b.call)
  const isSilent = ({ id, end }: KvOperation): boolean => end === Number.POSITIVE_INFINITY && !places.has(id)
  const silent = byCall.filter(isSilent)
  const shown = silent.length > HIDDEN_OPEN_MAX ? byCall.filter((each) => !isSilent(each)) : byCall
  const lines = shown.map((operation) => {
    const { id, client, call, end, input, output } = operation
    const place = places.get(id)
    const mark = place === undefined ? (isSilent(operation) ? '   ' : '  ✗') : String(place).padStart(3)
    const until = end === Number.POSITIVE_INFINITY ? '     …' : (end - begin).toFixed(1).padStart(8)
    const time = `${(call - begin).toFixed(1).padStart(8)} to ${until.padStart(8)}`
    return `${mark}  ${time}  client ${client}  ${describeInput(input)} → ${describeOutput(output)}`
  })
  if (shown.length < byCall.length)
    lines.push(`     and ${byCall.length - shown.length} operations without an answer`)
  return lines.join('\n')
}

export function describeInput(input: KvInput): string {
  if (input.kind !== 'txn')
    return `${input.kind} lease ${input.lease}${input.kind === 'grant' ? ` for ${input.ttlSeconds} s` : ''}`
  const { compare, success, failure } = input
  const parts = (each: readonly Part[]): string => each.map(describePart).join(', ')
  if (compare.length === 0) return parts(success)
  const conditions = compare.map(({ key, target, operand }) => `${target} of ${key} = ${operand}`)
  return `if ${conditions.join(' and ')} then ${parts(success) || 'nothing'} else ${parts(failure) || 'nothing'}`
}

function describePart(part: Part): string {
  if (part.kind === 'put')
    return `put ${part.key} = ${part.value}${part.lease === '0' ? '' : ` on lease ${part.lease}`}`
  return `${part.kind} ${part.end === undefined ? part.key : `[${part.key}, ${part.end})`}`
}

export function describeOutput(output: KvOutput | undefined): string {
  if (output === undefined) return 'no answer'
  switch (output.kind) {
    case 'seen':
      return `no answer, but seen at revision ${output.revision}`
    case 'refused':
      return `refused: ${output.why}`
    case 'txn':
      return `${output.succeeded ? '' : 'else: '}${output.answers.map(describeAnswer).join(', ')} at revision ${output.revision}`
    case 'inspected':
      return `${output.alive ? `alive with ${output.keys.join(' ') || 'no keys'}` : 'gone'} at revision ${output.revision}`
    case 'kept':
      return `${output.alive ? 'alive' : 'gone'} at revision ${output.revision}`
    default:
      return `${output.kind} at revision ${output.revision}`
  }
}

function describeAnswer(answer: PartAnswer): string {
  switch (answer.kind) {
    case 'get':
      return answer.found.map(describeKeyValue).join(' ') || 'nothing'
    case 'put':
      return answer.previous === undefined ? 'put' : `put over ${describeKeyValue(answer.previous)}`
    case 'delete':
      return `${answer.deleted} deleted`
  }
}

export function describeKeyValue({ key, value, version, create, mod, lease }: KeyValue): string {
  const leased = lease === '0' ? '' : ` lease ${lease}`
  return `${key} = ${value} (version ${version}, created ${create}, changed ${mod}${leased})`
}
