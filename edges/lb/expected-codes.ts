export type CodeRanges = readonly { readonly first: number; readonly last: number }[]

/** Reads `200`, `200,204` or `200-299` (Octavia's `expected_codes`); null when it is none of these. */
export function parseExpectedCodes(text: string): CodeRanges | null {
  const ranges = []
  for (const part of text.split(',')) {
    const match = /^([1-5]\d\d)(?:-([1-5]\d\d))?$/.exec(part.trim())
    if (match === null) return null
    const first = Number(match[1])
    const last = match[2] === undefined ? first : Number(match[2])
    if (last < first) return null
    ranges.push({ first, last })
  }
  return ranges
}

export function isExpected(code: number, ranges: CodeRanges): boolean {
  return ranges.some((range) => range.first <= code && code <= range.last)
}
