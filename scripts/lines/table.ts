import type { LineCount } from './count.ts'

const COLUMNS = ['files', 'code', 'comments', 'tests'] as const

/** A Markdown table with a row for each count. */
export function formatTable(counts: readonly LineCount[]): string {
  const header = ['folder', ...COLUMNS]
  const rows = counts.map((count) => [
    count.folder,
    ...COLUMNS.map((column) => count[column].toLocaleString('en')),
  ])
  const widths = header.map((_, column) =>
    Math.max(...[header, ...rows].map((row) => row[column]?.length ?? 0)),
  )
  const format = (row: readonly string[]): string => {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    )
    return `| ${cells.join(' | ')} |`
  }
  const rule = widths.map((width, column) => (column === 0 ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`))
  return [header, rule, ...rows].map(format).join('\n')
}
