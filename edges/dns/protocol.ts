import type { RecordType } from '../../domains/dns/records.ts'

/** TYPE and QTYPE numbers (IANA "DNS Parameters", RFC 1035 section 3.2.2 and later). */
export const typeNumbers: Readonly<Record<RecordType, number>> = {
  A: 1,
  NS: 2,
  CNAME: 5,
  SOA: 6,
  PTR: 12,
  MX: 15,
  TXT: 16,
  AAAA: 28,
  SRV: 33,
  CAA: 257,
}

/** Types that no zone here holds and that mean something in a query. */
export const queryTypes = { OPT: 41, DS: 43, IXFR: 251, AXFR: 252, ANY: 255 } as const

/** CLASS numbers, RFC 1035 section 3.2.4 and 3.2.5. */
export const classes = { IN: 1, ANY: 255 } as const

/** RCODE numbers, RFC 1035 section 4.1.1; BADVERS of RFC 6891 section 9 goes over header and OPT. */
export const responseCodes = {
  NOERROR: 0,
  FORMERR: 1,
  SERVFAIL: 2,
  NXDOMAIN: 3,
  NOTIMP: 4,
  REFUSED: 5,
  BADVERS: 16,
} as const

/** Octets of a message header, RFC 1035 section 4.1.1. */
export const headerLength = 12
/** Octets of a UDP message without EDNS, RFC 1035 section 2.3.4. */
export const plainMessageLengthMax = 512
/**
 * Octets of a UDP message with EDNS that this server sends at most, whatever the client says: above it IP fragments on
 * common paths (RFC 9715).
 */
export const ednsMessageLengthMax = 1232
/** Octets of a message over TCP: the frame's length field has 16 bits (RFC 1035 section 4.2.2). */
export const streamMessageLengthMax = 65_535
/** Octets of an OPT record without options, RFC 6891 section 6.1.2. */
export const optRecordLength = 11
