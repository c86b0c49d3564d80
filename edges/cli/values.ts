const CELL_MAX = 60
const VALUE_MAX = 100

/** A value as one cell of a table; `-` for none. */
export function cell(value: unknown): string {
  return shortened(plain(value), CELL_MAX)
}

/** A value inside a sentence: text that has blanks or is empty is quoted, anything nested is JSON. */
export function inline(value: unknown): string {
  if (typeof value === 'string')
    return /^[^\s"']+$/.test(value)
      ? shortened(value, VALUE_MAX)
      : shortened(JSON.stringify(value), VALUE_MAX)
  return shortened(JSON.stringify(value) ?? '-', VALUE_MAX)
}

/** Control characters of what others wrote never reach the terminal. */
export function printable(text: string): string {
  return text.replaceAll(/\p{Cc}/gu, (character) =>
    character === '\n' ? '⏎' : `\\x${character.charCodeAt(0).toString(16).padStart(2, '0')}`,
  )
}

function plain(value: unknown): string {
  if (value === null || value === undefined || value === '') return '-'
  if (Array.isArray(value)) return value.length === 0 ? '-' : printable(value.map(plain).join(','))
  if (typeof value === 'object')
    return Object.keys(value).length === 0 ? '-' : printable(JSON.stringify(value))
  return printable(typeof value === 'string' ? value : JSON.stringify(value))
}

function shortened(text: string, maximum: number): string {
  const clean = printable(text)
  return clean.length <= maximum ? clean : `${clean.slice(0, maximum - 1)}…`
}
