import {
  FRAME_BYTES_DEFAULT,
  protocolError,
  settings,
  WINDOW_BYTES_DEFAULT,
  WINDOW_BYTES_MAX,
} from './protocol.ts'

const SETTING_BYTES = 6
const FRAME_BYTES_LIMIT = 1 << 24
const TABLE_BYTES_DEFAULT = 4096

/** What the peer says of itself (RFC 9113 §6.5.2), as far as an answer depends on it. */
interface PeerSettings {
  /** The window that each call begins with. */
  readonly windowBytes: number
  readonly frameBytesMax: number
  readonly tableBytes: number
  /** The table was made smaller: the next header block must say so (RFC 9113 §4.3.1). */
  readonly tableShrank: boolean
}

export const defaultSettings: PeerSettings = {
  windowBytes: WINDOW_BYTES_DEFAULT,
  frameBytesMax: FRAME_BYTES_DEFAULT,
  tableBytes: TABLE_BYTES_DEFAULT,
  tableShrank: false,
}

/** The settings after a frame of them. Throws ProtocolError. */
export function changedSettings(before: PeerSettings, payload: Buffer): PeerSettings {
  if (payload.length % SETTING_BYTES !== 0)
    throw protocolError('FRAME_SIZE_ERROR', 'settings of another form')
  let { windowBytes, frameBytesMax, tableBytes } = before
  let tableShrank = false
  for (let at = 0; at < payload.length; at += SETTING_BYTES) {
    const value = payload.readUInt32BE(at + 2)
    switch (payload.readUInt16BE(at)) {
      case settings.HEADER_TABLE_SIZE:
        tableShrank ||= value < tableBytes
        tableBytes = value
        break
      case settings.ENABLE_PUSH:
        if (value > 1) throw protocolError('PROTOCOL_ERROR', `pushes are enabled with ${value}`)
        break
      case settings.INITIAL_WINDOW_SIZE:
        if (value > WINDOW_BYTES_MAX) throw protocolError('FLOW_CONTROL_ERROR', `a window of ${value} bytes`)
        windowBytes = value
        break
      case settings.MAX_FRAME_SIZE:
        if (value < FRAME_BYTES_DEFAULT || value >= FRAME_BYTES_LIMIT)
          throw protocolError('PROTOCOL_ERROR', `frames of ${value} bytes`)
        frameBytesMax = value
        break
    }
  }
  return { windowBytes, frameBytesMax, tableBytes, tableShrank }
}
