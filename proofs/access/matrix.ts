import type { Operation, Outcome } from './operations.ts'
import type { Principal } from './tenants.ts'

/** `?` not authenticated, `-` not allowed, `+` allowed, `0` allowed, and shows nothing of the red tenant. */
export type Mark = '?' | '-' | '+' | '0'

export interface Line {
  readonly section: string
  readonly name: string
  readonly marks: readonly Mark[]
}

/** Tries an operation with every principal, over every edge. Throws Error where edges differ, or the cloud is at fault. */
export async function tried(operation: Operation, principals: readonly Principal[]): Promise<Line> {
  const { section, name } = operation
  const marks = await Promise.all(
    principals.map(async ({ token, who }) => {
      const outcomes = await Promise.all(operation.edges.map((edge) => edge(token)))
      const found = outcomes.map(mark)
      const [first] = found
      if (first === undefined || found.some((each) => each !== first))
        throw new Error(`${name}, by ${who}: the edges say ${outcomes.join(' and ')}`)
      return first
    }),
  )
  return { section, name, marks }
}

function mark(outcome: Outcome): Mark {
  switch (outcome) {
    case 'UNAUTHENTICATED':
      return '?'
    case 'PERMISSION_DENIED':
      return '-'
    case 'ok, none of red':
      return '0'
    case 'INVALID_ARGUMENT':
    case 'UNKNOWN_COMMAND':
    case 'INTERNAL':
    case 'OVERLOADED':
    case 'UNAVAILABLE':
    case 'TIMEOUT':
      throw new Error(`${outcome} says nothing of what is allowed`)
    default:
      return '+'
  }
}

const NAME_WIDTH = 46

/** The matrix as text, for a person to read and for a test to compare. */
export function matrixText(lines: readonly Line[], principals: readonly Principal[]): string {
  const head = `${''.padEnd(NAME_WIDTH)}${principals.map(({ code }) => code.padStart(3)).join('')}`
  const sections = [...new Set(lines.map(({ section }) => section))]
  return [
    'Who may do what: every command, every read, and the cluster’s own methods, over gRPC and REST alike.',
    '',
    '  ?  not authenticated     -  not allowed     +  allowed     0  allowed, and shows nothing of the red tenant',
    '',
    'All of it is tried on the red tenant or the whole cloud. Capitals are principals of the blue tenant.',
    '',
    ...principals.map(({ code, who }) => `  ${code}  ${who}`),
    ...sections.flatMap((section) => [
      '',
      head.replace(/^ +/, (blank) => `${section}:`.padEnd(blank.length)),
      ...lines
        .filter((line) => line.section === section)
        .map(
          ({ name, marks }) => `${name.padEnd(NAME_WIDTH)}${marks.map((each) => each.padStart(3)).join('')}`,
        ),
    ]),
    '',
  ].join('\n')
}
