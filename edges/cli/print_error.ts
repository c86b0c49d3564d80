import { type CliError, exitCodes } from './exit_codes.ts'
import { type Output, PipeClosed } from './output.ts'
import { inline, printable } from './values.ts'

const LIST_MAX = 64

/** `error: CODE: sentence`, then its details; as one JSON object where answers are JSON. */
export async function printError(error: CliError, json: boolean, output: Output): Promise<void> {
  try {
    if (json) await output.line(JSON.stringify(document(error)))
    else for (const line of lines(error, output)) await output.line(line)
  } catch (failure) {
    if (!(failure instanceof PipeClosed)) throw failure
  }
}

function document({ reason, code, message, details, hint }: CliError): object {
  const own = { USAGE: reason === 'usage', INTERRUPTED: reason === 'interrupted' }
  const name = code ?? Object.entries(own).find(([, is]) => is)?.[0] ?? 'FAILED'
  return {
    error: {
      code: name,
      message,
      details,
      ...(hint === undefined ? {} : { hint }),
      exitCode: exitCodes[reason].code,
    },
  }
}

function lines({ reason, code, message, details, hint }: CliError, { style }: Output): readonly string[] {
  const prefix = code === undefined ? '' : `${code}: `
  const sentences = message.split('\n').map(printable)
  const begin = reason === 'interrupted' ? '' : `${style.red('error:')} ${prefix}`
  const head = `${begin}${sentences.join('\n')}`
  const more = Object.entries(details).flatMap(([key, value]) => detailLines(key, value))
  const hints = hint === undefined ? [] : hint.split('\n')
  return [head, ...more, ...hints]
}

function detailLines(key: string, value: unknown): readonly string[] {
  if (!Array.isArray(value)) return [`  ${printable(key)}: ${inline(value)}`]
  const shown = (value as unknown[]).slice(0, LIST_MAX).map((each) => `    ${described(each)}`)
  const rest = value.length - shown.length
  return [`  ${printable(key)}:`, ...shown, ...(rest > 0 ? [`    and ${rest} more`] : [])]
}

function described(value: unknown): string {
  if (typeof value !== 'object' || value === null) return inline(value)
  return Object.entries(value)
    .map(([key, inner]) => `${printable(key)}=${inline(inner)}`)
    .join(' ')
}
