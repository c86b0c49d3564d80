/** The Castagnoli polynomial, reversed (RFC 3720 appendix B.4). */
const POLYNOMIAL = 0x82f63b78

/** What each byte makes of the checksum when so many bytes follow it. */
const TABLES = [shiftedBytes(0), shiftedBytes(1), shiftedBytes(2), shiftedBytes(3)] as const

function shiftedBytes(zeros: number): Int32Array {
  return Int32Array.from({ length: 256 }, (_, byte) => {
    let crc = byte
    for (let bit = 0; bit < 8 * (zeros + 1); bit += 1) crc = (crc >>> 1) ^ (crc & 1 ? POLYNOMIAL : 0)
    return crc
  })
}

/** CRC-32C of bytes, going on from the CRC of those before; 0 at the start. Four bytes at a time, as node has none of its own. */
export function crc32c(bytes: Uint8Array, before = 0): number {
  const [last, third, second, first] = TABLES
  const of = (table: Int32Array, byte: number): number => table[byte & 255] as number
  const byteAt = (at: number): number => bytes[at] as number
  let crc = ~before
  let at = 0
  for (; at + 4 <= bytes.length; at += 4) {
    crc ^= byteAt(at) | (byteAt(at + 1) << 8) | (byteAt(at + 2) << 16) | (byteAt(at + 3) << 24)
    crc = of(first, crc) ^ of(second, crc >>> 8) ^ of(third, crc >>> 16) ^ of(last, crc >>> 24)
  }
  for (; at < bytes.length; at += 1) crc = of(last, crc ^ byteAt(at)) ^ (crc >>> 8)
  return ~crc >>> 0
}
