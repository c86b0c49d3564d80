import type { Figure, Spread } from './measure.ts'

const heads = ['measure', 'unit', 'ours', 'etcd', 'ratio', 'target', ''] as const

/** The figures for people: medians, with the spread of the runs in brackets. */
export function table(figures: readonly Figure[]): string {
  const rows = [
    [...heads],
    ...figures.map(({ name, unit, ours, etcd, ratio, target, met }) => [
      name,
      unit,
      spread(ours),
      etcd === undefined ? '' : spread(etcd),
      ratio === undefined ? '' : ratio.toFixed(2),
      target === undefined
        ? ''
        : `${target.of === 'ratio' ? 'ratio' : 'ours'} ${target.bound} ${target.number}`,
      met === undefined ? '' : met ? 'met' : 'MISSED',
    ]),
  ]
  const widths = heads.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)))
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

function spread({ median, min, max }: Spread): string {
  return `${short(median)} (${short(min)}–${short(max)})`
}

function short(number: number): string {
  return number >= 100 ? number.toFixed(0) : number.toPrecision(3)
}
