import { BlockList, isIPv4 } from 'node:net'
import { HostError } from '../errors.ts'
import type { NetworkDriver, NetworkMonitor, NetworkPort, PortForward } from './network_driver.ts'

const listenAddress = '127.0.0.1'
const forwardsMax = 64

/**
 * QEMU's user-mode networking: needs no privilege and no bridge; every port is a network of its own.
 *
 * The guest gets the port's address by DHCP (`dhcpstart`). `restrict=on` keeps it from the host's loopback, where the control
 * plane listens, and from the outside: it is reached through its forwards and reaches nothing by itself. The kernel picks
 * each forward's host port as QEMU binds it (port 0), so no other process can take a port between choice and use; which one it
 * was is read back from QEMU, which keeps it for as long as it runs. Source: qemu(1), `-netdev user`.
 */
export class UserModeNetwork implements NetworkDriver {
  arguments(ports: readonly NetworkPort[]): readonly string[] {
    return ports.flatMap((port, index) => {
      validate(port)
      const options = [
        `user,id=net${index}`,
        `net=${networkOf(port)}/${port.prefixLength}`,
        `host=${port.gateway}`,
        `dhcpstart=${port.address}`,
        `dns=${nameServerOf(port)}`,
        'ipv6=off',
        'restrict=on',
        ...port.forwards.map((guestPort) => `hostfwd=tcp:${listenAddress}:0-${port.address}:${guestPort}`),
      ]
      // Without an option ROM: nothing boots from the network, and the guest starts sooner.
      const device = `virtio-net-pci,id=nic${index},netdev=net${index},mac=${port.mac},romfile=`
      return ['-netdev', options.join(','), '-device', device]
    })
  }

  async forwards(ports: readonly NetworkPort[], monitor: NetworkMonitor): Promise<readonly PortForward[]> {
    if (ports.every((port) => port.forwards.length === 0)) return []
    const listeners = parseForwards(await monitor.humanMonitorCommand('info usernet'))
    return ports.flatMap((port, index) =>
      port.forwards.map((guestPort) => {
        const found = listeners.find(
          (listener) => listener.network === `net${index}` && listener.guestPort === guestPort,
        )
        if (found === undefined) {
          throw new HostError('hostd/qmp_protocol', `QEMU lists no forward to ${port.address}:${guestPort}.`)
        }
        return { port: port.uid, guestPort, address: listenAddress, hostPort: found.hostPort }
      }),
    )
  }
}

interface Listener {
  readonly network: string
  readonly hostPort: number
  readonly guestPort: number
}

/** Reads `info usernet`: a heading such as `Hub -1 (net0):` before the connections of each network. */
function parseForwards(text: string): Listener[] {
  let network = ''
  const listeners: Listener[] = []
  for (const line of text.split(/\r?\n/)) {
    network = /^Hub .*\((.+)\):/.exec(line)?.[1] ?? network
    const found = /^\s*TCP\[HOST_FORWARD\]\s+\d+\s+\S+\s+(\d+)\s+\S+\s+(\d+)/.exec(line)
    if (found !== null) listeners.push({ network, hostPort: Number(found[1]), guestPort: Number(found[2]) })
  }
  return listeners
}

/** Everything here becomes part of an option string of QEMU: nothing that is not an address may get through. */
function validate(port: NetworkPort): void {
  const refuse = (detail: string): never => {
    throw new HostError('hostd/invalid_specification', `Port ${port.uid}: ${detail}`)
  }
  if (!isIPv4(port.address) || !isIPv4(port.gateway)) refuse('address and gateway must be IPv4 addresses.')
  if (!Number.isInteger(port.prefixLength) || port.prefixLength < 8 || port.prefixLength > 29) {
    refuse('user-mode networking takes prefix lengths from 8 to 29.')
  }
  const network = new BlockList()
  network.addSubnet(port.address, port.prefixLength)
  if (!network.check(port.gateway))
    refuse(`the gateway ${port.gateway} is not in the network of ${port.address}.`)
  if (port.gateway === port.address) refuse('the gateway has the address of the port.')
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(port.mac)) refuse(`${port.mac} is not a MAC address.`)
  if (port.forwards.length > forwardsMax) refuse(`more than ${forwardsMax} forwards.`)
  if (new Set(port.forwards).size !== port.forwards.length) refuse('a forward is named twice.')
  for (const guestPort of port.forwards) {
    if (!Number.isInteger(guestPort) || guestPort < 1 || guestPort > 65_535)
      refuse(`${guestPort} is not a TCP port.`)
  }
}

function networkOf(port: NetworkPort): string {
  return toText(toNumber(port.address) & maskOf(port))
}

/** QEMU wants a name server of its own in the network, which must be neither the gateway nor the guest. */
function nameServerOf(port: NetworkPort): string {
  const broadcast = (toNumber(port.address) | ~maskOf(port)) >>> 0
  const taken = new Set([port.address, port.gateway])
  let candidate = broadcast - 1
  while (taken.has(toText(candidate))) candidate -= 1
  return toText(candidate)
}

function maskOf(port: NetworkPort): number {
  return (0xffffffff << (32 - port.prefixLength)) >>> 0
}

function toNumber(address: string): number {
  return address.split('.').reduce((sum, part) => sum * 256 + Number(part), 0)
}

function toText(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 255).join('.')
}
