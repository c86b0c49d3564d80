/** 32-bit FNV-1a over the text's code units, finished so that similar texts (10.0.0.1, 10.0.0.2) differ in all bits. */
export function hashText(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  return finish(hash)
}

/** The finalizer of MurmurHash3 (32 bit): every input bit changes every output bit with probability one half. */
function finish(value: number): number {
  let hash = value
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35)
  return (hash ^ (hash >>> 16)) >>> 0
}

/**
 * Score of a member for a source in weighted rendezvous hashing (Schindelhauer and Schomaker, "Weighted distributed
 * hash tables", 2005): the member with the highest score serves the source. Each member wins a share in proportion to
 * its weight, and taking a member away moves only the sources that were its own.
 */
export function rendezvousScore(sourceHash: number, memberHash: number, weight: number): number {
  const uniform = (finish(Math.imul(sourceHash, 0x9e3779b1) ^ memberHash) + 0.5) / 0x1_0000_0000
  return -weight / Math.log(uniform)
}

/** The address without the IPv4-mapped prefix, so that a client hashes alike on an IPv4 and on a dual-stack listener. */
export function plainAddress(address: string): string {
  return address.startsWith('::ffff:') ? address.slice(7) : address
}
