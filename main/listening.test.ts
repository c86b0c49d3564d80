import { describe, expect, it } from 'vitest'
import type { NodeConfig } from './config.ts'
import { requireSafeListening } from './listening.ts'

const tls = { caFile: 'ca.crt', certificateFile: 'a.crt', keyFile: 'a.key' }

describe('plaintext', () => {
  it.each<[string, NodeConfig]>([
    ['the defaults', {}],
    ['loopback', { listen: { grpc: '127.3.4.5:1', rest: 'localhost:2', peer: '127.0.0.1:3' } }],
    ['a name server for everybody', { listen: { dns: '0.0.0.0:53' } }],
  ])('is served on %s', (_, config) => {
    expect(requireSafeListening(config, false)).toBeUndefined()
  })

  it.each<[string, NodeConfig]>([
    ['10.0.0.1:7420', { listen: { grpc: '10.0.0.1:7420' } }],
    ['0.0.0.0:7422', { listen: { rest: '0.0.0.0:7422' } }],
    ['member:7421', { listen: { peer: 'member:7421' } }],
    ['10.0.0.1:7423', { listen: { etcd: '10.0.0.1:7423' } }],
    ['127.0.0.1.example.org:7421', { listen: { peer: '127.0.0.1.example.org:7421' } }],
  ])('is not served on %s, unless it is told to be', (address, config) => {
    expect(() => requireSafeListening(config, false)).toThrow(
      `${address} can be reached from other machines, and would be served in plaintext`,
    )
    expect(requireSafeListening(config, true)).toContain(`plaintext is served on ${address}`)
    expect(requireSafeListening({ ...config, tls }, false)).toBeUndefined()
  })
})
