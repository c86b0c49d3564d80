/** Versions that one revision may make of the rows of a set: more than an entry has room for. */
const VERSIONS_A_REVISION = 1 << 20

/** The first of the ids that a revision's versions get in a set's history: in the order of ids versions are in that of revisions. */
export function firstVersionOf(revision: number): number {
  return revision * VERSIONS_A_REVISION
}
