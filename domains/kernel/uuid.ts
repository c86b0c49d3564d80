import { createHash, randomBytes } from 'node:crypto'

const PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** RFC 9562 §5.7: 48 bits of milliseconds since 1970, then the version, the variant and 74 bits of `random` (at least 10 bytes). */
export function uuidv7(time: number, random: Uint8Array): string {
  const bytes = Buffer.alloc(16)
  bytes.writeUIntBE(time, 0, 6)
  bytes.set(random.subarray(0, 10), 6)
  bytes[6] = ((bytes[6] as number) & 0x0f) | 0x70
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** The time inside a UUIDv7 in milliseconds since 1970; undefined for anything else. */
export function uuidTime(uuid: string): number | undefined {
  return PATTERN.test(uuid) ? Number.parseInt(uuid.slice(0, 8) + uuid.slice(9, 13), 16) : undefined
}

/** A fresh command id. */
export function newCommandId(): string {
  return uuidv7(Date.now(), randomBytes(10))
}

/** The `counter`-th uid of a decision: a function of its time and seed alone, ascending within the decision. */
export function seededUuid(time: number, seed: string, counter: number): string {
  const random = createHash('sha256').update(`${seed}/${counter}`).digest()
  random.writeUInt16BE(counter & 0xfff, 0)
  return uuidv7(time, random)
}
