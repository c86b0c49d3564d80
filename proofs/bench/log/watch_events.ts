const EVENTS_FIELD = 11
const LENGTH_DELIMITED = 2

/**
 * How many events a WatchResponse holds, by its framing alone (protobuf encoding: tag, then a varint, or a length and bytes): reading them
 * would measure this client. Throws RangeError for another wire type, which a WatchResponse does not have.
 */
export function eventsIn(message: Uint8Array): number {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let scale = 1; ; scale *= 128) {
      const byte = message[at++] ?? 0
      value += (byte % 128) * scale
      if (byte < 128) return value
    }
  }
  let events = 0
  while (at < message.length) {
    const tag = varint()
    const type = tag % 8
    if (type === 0) varint()
    else if (type === LENGTH_DELIMITED) {
      const length = varint()
      at += length
      if (Math.floor(tag / 8) === EVENTS_FIELD) events += 1
    } else throw new RangeError(`wire type ${type}`)
  }
  return events
}
