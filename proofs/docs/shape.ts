/** A line with all that differs from run to run taken out: ids, times, numbers and how columns are filled up. */
export function shape(line: string): string {
  return line
    .replaceAll(/[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}/g, 'UUID')
    .replaceAll(/\d{4}-\d\d-\d\d[ T][\d:.]+Z/g, 'TIME')
    .replaceAll(/\b\d+[smhd](?:\d+[smhd])?\b/g, 'AGE')
    .replaceAll(/\d+/g, '0')
    .replaceAll(/\s+/g, ' ')
    .trim()
}

/** What an answer lacks of what the documentation shows; a line `…` stands for any number of lines. */
export function missing(shown: readonly string[], answer: string): readonly string[] {
  const lines = answer.split('\n').map(shape)
  const wanted = shown.filter((line) => line !== '…').map(shape)
  const found = wanted.filter((line) => lines.includes(line))
  const lacking = wanted.filter((line) => !lines.includes(line))
  const surplus = lines.filter((line) => line !== '' && !wanted.includes(line))
  if (shown.length === 0 || shown.includes('…')) return lacking
  return found.length === wanted.length && surplus.length > 0
    ? surplus.map((line) => `not shown: ${line}`)
    : lacking
}
