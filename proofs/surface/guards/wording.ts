import { findLines, type Guard } from '../guard.ts'

/** "Stub resolver" is the name of a kind of DNS client (RFC 9499, section 6), and a stub zone of a kind of zone. */
const WORDING =
  /coming soon|not (?:yet )?(?:implemented|supported|available yet)|work in progress|\bWIP\b|\bTBD\b|to be (?:done|written|decided)|\bunfinished\b|\bplaceholder\b|\bstubs?\b(?! (?:resolver|zone))|\bstubbed\b|lorem ipsum/i

/** Documents describe what is there. */
export const wordingGuard: Guard = {
  name: 'wording',
  find: ({ files }) =>
    files
      .filter(({ path }) => path.endsWith('.md'))
      .flatMap((file) => findLines(file, WORDING, 'a document that speaks of unfinished work')),
}
