import { expect, test } from 'vitest'
import type { NetworkPort } from './network_driver.ts'
import { UserModeNetwork } from './user_mode.ts'

const network = new UserModeNetwork()
const port: NetworkPort = {
  uid: 'p1',
  address: '10.0.0.5',
  prefixLength: 24,
  gateway: '10.0.0.1',
  mac: '52:54:00:00:00:05',
  forwards: [80],
}

test('a port becomes a network of its own, from which the guest leases its address', () => {
  expect(network.arguments([port])).toEqual([
    '-netdev',
    'user,id=net0,net=10.0.0.0/24,host=10.0.0.1,dhcpstart=10.0.0.5,dns=10.0.0.254,ipv6=off,restrict=on,hostfwd=tcp:127.0.0.1:0-10.0.0.5:80',
    '-device',
    'virtio-net-pci,id=nic0,netdev=net0,mac=52:54:00:00:00:05,romfile=',
  ])
})

test.each([
  { address: '10.0.0.254', gateway: '10.0.0.1', prefixLength: 24, net: '10.0.0.0/24', dns: '10.0.0.253' },
  { address: '10.0.0.253', gateway: '10.0.0.254', prefixLength: 24, net: '10.0.0.0/24', dns: '10.0.0.252' },
  {
    address: '192.168.7.9',
    gateway: '192.168.7.14',
    prefixLength: 29,
    net: '192.168.7.8/29',
    dns: '192.168.7.13',
  },
  {
    address: '172.31.255.1',
    gateway: '172.16.0.1',
    prefixLength: 12,
    net: '172.16.0.0/12',
    dns: '172.31.255.254',
  },
  {
    address: '223.255.255.1',
    gateway: '223.255.255.2',
    prefixLength: 24,
    net: '223.255.255.0/24',
    dns: '223.255.255.254',
  },
])('$address/$prefixLength with gateway $gateway', ({ net, dns, ...rest }) => {
  const options = network.arguments([{ ...port, ...rest }])[1]?.split(',')
  expect(options).toContain(`net=${net}`)
  expect(options).toContain(`dns=${dns}`)
})

test.each<[string, Partial<NetworkPort>]>([
  ['an option in the MAC', { mac: '52:54:00:00:00:05,romfile=/etc/passwd' }],
  ['an option in the address', { address: '10.0.0.5,guestfwd=x' }],
  ['an IPv6 gateway', { gateway: 'fe80::1' }],
  ['a gateway outside', { gateway: '10.0.1.1' }],
  ['the gateway as the address', { gateway: '10.0.0.5' }],
  ['a prefix too long', { prefixLength: 30 }],
  ['a prefix that is not whole', { prefixLength: 24.5 }],
  ['a port out of range', { forwards: [65_536] }],
  ['a forward named twice', { forwards: [80, 80] }],
  ['too many forwards', { forwards: Array.from({ length: 65 }, (_, index) => index + 1) }],
])('%s is refused', (_name, overrides) => {
  expect(() => network.arguments([{ ...port, ...overrides }])).toThrowError(
    expect.objectContaining({ code: 'hostd/invalid_specification' }) as Error,
  )
})

test('where the ports are is read from QEMU, network by network', async () => {
  const listing = [
    'Hub -1 (net0):',
    '  Protocol[State]    FD  Source Address  Port   Dest. Address  Port RecvQ SendQ',
    '  TCP[ESTABLISHED]   11       127.0.0.1 33491        10.0.0.5    80     0     0',
    '  TCP[HOST_FORWARD]   8       127.0.0.1 33491        10.0.0.5    80     0     0',
    'Hub -1 (net1):',
    '  TCP[HOST_FORWARD]   9       127.0.0.1 40001        10.0.0.5    80     0     0',
    '',
  ].join('\r\n')
  const monitor = { humanMonitorCommand: () => Promise.resolve(listing) }
  expect(await network.forwards([port, { ...port, uid: 'p2' }], monitor)).toEqual([
    { port: 'p1', guestPort: 80, address: '127.0.0.1', hostPort: 33491 },
    { port: 'p2', guestPort: 80, address: '127.0.0.1', hostPort: 40001 },
  ])
  await expect(network.forwards([{ ...port, forwards: [22] }], monitor)).rejects.toMatchObject({
    code: 'hostd/qmp_protocol',
  })
})
