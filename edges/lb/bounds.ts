/** Every bound of the data plane. Times in milliseconds, sizes in bytes. */
export interface Bounds {
  /** Client connections of a listener whose row sets no limit. */
  readonly connectionsMax: number
  /** Connections above the limit that wait for their turn; those beyond are refused at once. */
  readonly queueMax: number
  readonly queueMilliseconds: number
  /** TCP connections or HTTP requests under way to one member. */
  readonly memberConnectionsMax: number
  /** Idle connections kept open to one member of an HTTP listener. */
  readonly memberIdleConnectionsMax: number
  /** Below the 5 s after which common servers close an idle connection, so that requests seldom meet that close. */
  readonly memberIdleMilliseconds: number
  readonly connectMilliseconds: number
  /** Members tried for one connection or request, the first included. */
  readonly connectAttemptsMax: number
  /** No byte in either direction for this long ends a connection. */
  readonly idleMilliseconds: number
  /** Idle client connection between two HTTP requests. */
  readonly keepAliveMilliseconds: number
  /** From the first byte of a request to the end of its header section. */
  readonly headersMilliseconds: number
  /** From the first byte of a request to the end of its body. */
  readonly requestMilliseconds: number
  /** From the end of a request's body to the head of the member's response. */
  readonly responseMilliseconds: number
  readonly headerBytesMax: number
  readonly headerFieldsMax: number
  readonly requestBodyBytesMax: number
  /**
   * Requests of one connection that wait for the response before theirs. Reading stops as soon as one waits, so only
   * what one read of 64 KiB brought can exceed this; such a connection is closed.
   */
  readonly pipelinedRequestsMax: number
  /** How long connections may go on after their member, or their listener, was taken away. */
  readonly graceMilliseconds: number
  /** Pause before a failed bind is tried again; doubles up to `bindRetryMillisecondsMax`. */
  readonly bindRetryMilliseconds: number
  readonly bindRetryMillisecondsMax: number
  /** Health checks under way at once, over all listeners. */
  readonly probesMax: number
  readonly listenersMax: number
  readonly membersMax: number
}

export const defaultBounds: Bounds = Object.freeze({
  connectionsMax: 8_192,
  queueMax: 1_024,
  queueMilliseconds: 10_000,
  memberConnectionsMax: 2_048,
  memberIdleConnectionsMax: 256,
  memberIdleMilliseconds: 4_000,
  connectMilliseconds: 3_000,
  connectAttemptsMax: 3,
  idleMilliseconds: 300_000,
  keepAliveMilliseconds: 60_000,
  headersMilliseconds: 10_000,
  requestMilliseconds: 3_600_000,
  responseMilliseconds: 60_000,
  headerBytesMax: 16_384,
  headerFieldsMax: 101,
  requestBodyBytesMax: 64 * 1024 ** 3,
  pipelinedRequestsMax: 512,
  graceMilliseconds: 30_000,
  bindRetryMilliseconds: 250,
  bindRetryMillisecondsMax: 10_000,
  probesMax: 256,
  listenersMax: 4_096,
  membersMax: 1_024,
})
