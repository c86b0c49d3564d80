import { formatAddress, parseAddress, parseCidr, type Range } from '../kernel/ipv4.ts'
import { reject } from '../kernel/rejection.ts'

/** Prefix lengths a network or a subnet may have: the longest leaves a gateway and five addresses. */
const PREFIX_MIN = 8
const PREFIX_MAX = 29

/** The range of a CIDR. Rejects one with host bits, or a size that is no use. */
export function requireRange(cidr: string): Range {
  const range = parseCidr(cidr)
  if (range === undefined) {
    const [address = '', length = '32'] = cidr.split('/')
    const size = 2 ** (32 - Number(length))
    const network = formatAddress(Math.floor(parseAddress(address) / size) * size)
    return reject(
      'INVALID_ARGUMENT',
      `cidr: ${cidr} has host bits set; the network is ${network}/${length}`,
      {
        field: 'cidr',
      },
    )
  }
  if (range.prefixLength < PREFIX_MIN || range.prefixLength > PREFIX_MAX)
    reject(
      'INVALID_ARGUMENT',
      `cidr: ${cidr} must have a prefix length from ${PREFIX_MIN} to ${PREFIX_MAX}`,
      {
        field: 'cidr',
      },
    )
  return range
}

/** The addresses of a subnet that ports can have: without the network, the gateway and the broadcast address. */
export function usable({ first, last }: Range): { readonly first: number; readonly last: number } {
  return { first: first + 2, last: last - 1 }
}

/** Locally administered (IEEE 802), from the address: addresses are unique in a VPC, and so these are. */
export function macOf(address: number): string {
  const octets = [0x02, 0, ...formatAddress(address).split('.').map(Number)]
  return octets.map((octet) => octet.toString(16).padStart(2, '0')).join(':')
}
