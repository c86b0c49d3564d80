/**
 * Every error of the host daemon, by its stable code.
 *
 * Codes are part of the contract: they appear in observations, in logs and in the operators' documentation.
 */
export const hostErrors = {
  'hostd/tool_missing': 'A program the host daemon needs is not installed.',
  'hostd/tool_failed': 'A program the host daemon called ended with an error.',
  'hostd/lock_timeout': 'Another process holds the lock for longer than the caller would wait.',
  'hostd/deadline_exceeded': 'A condition did not come true before its deadline.',
  'hostd/image_unavailable': 'The guest image cannot be built: its kernel package cannot be had.',
  'hostd/image_unknown': 'The desired state names an image this host does not have.',
  'hostd/image_digest_mismatch': 'The image on this host is not the one the desired state names.',
  'hostd/invalid_specification': 'The desired state holds a value that cannot be given to a hypervisor.',
  'hostd/incarnation_unknown': 'No such incarnation on this host.',
  'hostd/incarnation_alive': 'The incarnation still runs, so its directory must stay.',
  'hostd/incarnation_over': 'The control plane knows the incarnation, and that it must not run any more.',
  'hostd/qmp_closed': 'The QMP connection is closed.',
  'hostd/qmp_timeout': 'QEMU did not answer a QMP command in time.',
  'hostd/qmp_error': 'QEMU answered a QMP command with an error.',
  'hostd/qmp_protocol': 'What came over the QMP socket is not QMP, or larger than its bound.',
} as const

export type HostErrorCode = keyof typeof hostErrors

/** An error with a stable code and a detail that an operator can act on. */
export class HostError extends Error {
  readonly code: HostErrorCode

  constructor(code: HostErrorCode, detail: string, options?: ErrorOptions) {
    super(`${hostErrors[code]} ${detail}`, options)
    this.name = 'HostError'
    this.code = code
  }
}
