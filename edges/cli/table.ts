import { stripVTControlCharacters } from 'node:util'

/** A table for reading: columns as wide as what is in them, numbers to the right, two blanks between. */
export function table(
  header: readonly string[],
  rows: readonly (readonly string[])[],
  heading: (text: string) => string = (text) => text,
): readonly string[] {
  const widths = header.map((title, column) =>
    Math.max(width(title), ...rows.map((row) => width(row[column] ?? ''))),
  )
  const numeric = header.map((_, column) => {
    const said = rows.map((row) => row[column] ?? '').filter((text) => text !== '' && text !== '-')
    return said.length > 0 && said.every(isNumber)
  })
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => {
        const padding = ' '.repeat(Math.max(0, (widths[column] as number) - width(cell)))
        return numeric[column] === true ? padding + cell : cell + padding
      })
      .join('  ')
      .trimEnd()
  return [heading(line(header)), ...rows.map(line)]
}

/** Pairs, the names in one column. */
export function pairs(entries: readonly (readonly [string, string])[], indent = '  '): readonly string[] {
  const widest = Math.max(0, ...entries.map(([name]) => width(name)))
  return entries.map(([name, value]) =>
    `${indent}${name}${' '.repeat(widest - width(name))}  ${value}`.trimEnd(),
  )
}

function isNumber(cell: string): boolean {
  return /^-?\d+(\.\d+)?$/.test(cell)
}

/** Terminal cells, counted by code points. */
function width(text: string): number {
  return Array.from(stripVTControlCharacters(text)).length
}
