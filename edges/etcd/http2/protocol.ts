/** Frame types (RFC 9113 §6). */
export const frameTypes = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const flags = { END_STREAM: 1, ACK: 1, END_HEADERS: 4, PADDED: 8, PRIORITY: 0x20 } as const

/** RFC 9113 §6.5.2. */
export const settings = {
  HEADER_TABLE_SIZE: 1,
  ENABLE_PUSH: 2,
  MAX_CONCURRENT_STREAMS: 3,
  INITIAL_WINDOW_SIZE: 4,
  MAX_FRAME_SIZE: 5,
  MAX_HEADER_LIST_SIZE: 6,
} as const

/** RFC 9113 §7. */
export const errorCodes = {
  NO_ERROR: 0,
  PROTOCOL_ERROR: 1,
  INTERNAL_ERROR: 2,
  FLOW_CONTROL_ERROR: 3,
  STREAM_CLOSED: 5,
  FRAME_SIZE_ERROR: 6,
  REFUSED_STREAM: 7,
  CANCEL: 8,
  COMPRESSION_ERROR: 9,
  ENHANCE_YOUR_CALM: 11,
} as const
export type ErrorName = keyof typeof errorCodes

export const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
export const FRAME_HEAD_BYTES = 9
/** What either side takes before it says otherwise (RFC 9113 §6.5.2, §6.9.2). */
export const FRAME_BYTES_DEFAULT = 16_384
export const WINDOW_BYTES_DEFAULT = 65_535
export const WINDOW_BYTES_MAX = 2 ** 31 - 1

/** What a peer must not do: it ends the connection (RFC 9113 §5.4.1). */
export class ProtocolError extends Error {
  readonly code: number
  constructor(name: ErrorName, message: string) {
    super(message)
    this.name = 'ProtocolError'
    this.code = errorCodes[name]
  }
}

export function protocolError(name: ErrorName, message: string): ProtocolError {
  return new ProtocolError(name, message)
}
