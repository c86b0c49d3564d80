/** `vm.*` → `vm`, `*`, `*`. */
function words(pattern: string): readonly [string, string, string] {
  const [domain = '*', plural = '*', verb = '*'] = pattern.split('.')
  return [domain, plural, verb]
}

/** Whether a pattern gives all that another gives; a permission is a pattern that gives itself. */
export function covers(pattern: string, wanted: string): boolean {
  const given = words(pattern)
  return words(wanted).every((word, i) => given[i] === '*' || given[i] === word)
}
