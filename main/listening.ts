import { isIPv4 } from 'node:net'
import { ConfigError, listenOf, type NodeConfig, splitAddress } from './config.ts'

/**
 * What others can listen to, or change, on its way through a network is not served by accident. Throws ConfigError for a node that
 * would serve plaintext beyond this machine, unless it is told to: then it gives the warning that belongs to it.
 */
export function requireSafeListening(config: NodeConfig, insecure: boolean): string | undefined {
  const { grpc, rest, peer, etcd } = listenOf(config)
  if (config.tls !== undefined) return undefined
  const open = [grpc, rest, peer, etcd].filter((address) => !isLoopback(address))
  if (open.length === 0) return undefined
  if (insecure)
    return `warning: plaintext is served on ${open.join(', ')}: whoever is in between reads the tokens, and can change what is said`
  throw new ConfigError(
    `${open.join(', ')} can be reached from other machines, and would be served in plaintext, tokens and all: give the configuration \`tls\` (see docs/tls.md), or --insecure if the network is your own`,
  )
}

/** Where this machine itself reaches an address that it listens on. */
export function fromHere(address: string): string {
  const { host, port } = splitAddress(address)
  return host === '0.0.0.0' ? `127.0.0.1:${port}` : address
}

/** Whether only this machine reaches an address. */
export function isLoopback(address: string): boolean {
  const { host } = splitAddress(address)
  return (
    host === 'localhost' || host === '::1' || host === '[::1]' || (isIPv4(host) && host.startsWith('127.'))
  )
}
