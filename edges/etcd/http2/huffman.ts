import { protocolError } from './protocol.ts'

/** How many bits each byte's code has (RFC 7541, appendix B). The code is canonical: lengths alone make it. */
const lengths = [
  13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28,
  28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7,
  8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19,
  13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13,
  28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23, 23, 23, 23, 21,
  22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23, 21, 21, 22, 21, 23,
  22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
  19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25,
  25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
] as const
const END_OF_STRING = 256
const END_OF_STRING_BITS = 30
const PADDING_BITS_MAX = 7
const CODE_BITS_MIN = 5

/** A binary tree: for each node what follows a 0 and a 1. Not negative: a node; else the complement of a symbol. */
const tree = treeOf([...lengths, END_OF_STRING_BITS])

function treeOf(bits: readonly number[]): readonly number[] {
  const nodes = [0, 0]
  const symbols = bits
    .map((_, symbol) => symbol)
    .sort((a, b) => lengthOf(bits, a) - lengthOf(bits, b) || a - b)
  let code = 0
  let length = 0
  for (const symbol of symbols) {
    code *= 2 ** (lengthOf(bits, symbol) - length)
    length = lengthOf(bits, symbol)
    let node = 0
    for (let bit = length - 1; bit >= 0; bit--) {
      const at = node + (Math.floor(code / 2 ** bit) % 2)
      if (bit === 0) nodes[at] = ~symbol
      else if (nodes[at] === 0) {
        nodes[at] = nodes.length
        nodes.push(0, 0)
      }
      node = nodes[at] ?? 0
    }
    code += 1
  }
  return nodes
}

function lengthOf(bits: readonly number[], symbol: number): number {
  return bits[symbol] ?? 0
}

/** Text that was Huffman-coded (RFC 7541 §5.2), one character a byte. Throws ProtocolError. */
export function huffmanDecode(bytes: Buffer, from: number, to: number): string {
  const characters = Buffer.allocUnsafe(Math.floor(((to - from) * 8) / CODE_BITS_MIN))
  let length = 0
  let node = 0
  let padding = 0
  let onesOnly = true
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0
    for (let bit = 7; bit >= 0; bit--) {
      const one = (byte >> bit) & 1
      const next = tree[node + one] ?? 0
      padding += 1
      onesOnly &&= one === 1
      if (next >= 0) {
        node = next
        continue
      }
      if (~next === END_OF_STRING)
        throw protocolError('COMPRESSION_ERROR', 'a header holds the end-of-string code')
      characters[length++] = ~next
      node = 0
      padding = 0
      onesOnly = true
    }
  }
  if (padding > PADDING_BITS_MAX || !onesOnly)
    throw protocolError('COMPRESSION_ERROR', 'a Huffman-coded header is not padded with ones')
  return characters.toString('latin1', 0, length)
}
