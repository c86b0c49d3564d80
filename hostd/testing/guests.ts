import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { buildGuestImage, type GuestImage } from '../image/guest.ts'
import type { IncarnationSpecification, IncarnationStatus } from '../instance_driver.ts'
import type { NetworkPort } from '../net/network_driver.ts'

/** Deadline for a guest to boot under TCG on a loaded machine. */
export const bootDeadlineMilliseconds = 120_000

/** Where the guest image is kept: by its content, so it is built once a machine. */
export const testImageDirectory = join(tmpdir(), `ultracloud-images-${userInfo().uid}`)

export function testGuestImage(): Promise<GuestImage> {
  return buildGuestImage(testImageDirectory)
}

/** A port in 10.0.0.0/24 whose MAC follows from its last octet. */
export function testPort(lastOctet: number, forwards: readonly number[] = [80]): NetworkPort {
  return {
    uid: `port-${lastOctet}`,
    address: `10.0.0.${lastOctet}`,
    prefixLength: 24,
    gateway: '10.0.0.1',
    mac: `52:54:00:00:00:${lastOctet.toString(16).padStart(2, '0')}`,
    forwards,
  }
}

/** The smallest specification that boots. */
export function testSpecification(
  name: string,
  lastOctet: number,
  overrides: Partial<IncarnationSpecification> = {},
): IncarnationSpecification {
  return {
    incarnation: `incarnation-of-${name}`,
    instance: `instance-${name}`,
    project: 'demo',
    name,
    generation: 1,
    vcpus: 1,
    memoryMebibytes: 128,
    image: 'guest',
    ports: [testPort(lastOctet)],
    hostname: name,
    ...overrides,
  }
}

/** Asks the guest behind its first forward who it is. */
export async function askGuest(status: Pick<IncarnationStatus, 'forwards'>): Promise<string> {
  const forward = status.forwards[0]
  if (forward === undefined) throw new Error('The incarnation has no forward.')
  const response = await fetch(`http://${forward.address}:${forward.hostPort}/`, {
    signal: AbortSignal.timeout(5_000),
  })
  return await response.text()
}
