import { mkdir, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HostError } from '../errors.ts'
import type { IncarnationSpecification } from '../instance_driver.ts'
import type { NetworkPort } from '../net/network_driver.ts'
import { runTool } from '../run_tool.ts'

const timeoutMilliseconds = 30_000
const userDataBytesMax = 64 * 1024

/**
 * Writes the seed of the NoCloud data source: an ISO 9660 volume named "cidata" from which any cloud image learns its name, its
 * addresses and its user data. Source: cloud-init's documentation of NoCloud and of network configuration version 2.
 *
 * @throws HostError `hostd/invalid_specification`, `hostd/tool_missing`, `hostd/tool_failed`
 */
export async function writeSeed(specification: IncarnationSpecification, directory: string): Promise<void> {
  const userData = specification.userData ?? ''
  if (Buffer.byteLength(userData) > userDataBytesMax) {
    throw new HostError('hostd/invalid_specification', `User data is larger than ${userDataBytesMax} bytes.`)
  }
  // RFC 1123, section 2.1: labels of letters, digits and inner hyphens.
  if (!/^(?!-)[A-Za-z0-9-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9-]{1,63}(?<!-))*$/.test(specification.hostname)) {
    throw new HostError('hostd/invalid_specification', `${specification.hostname} is not a host name.`)
  }
  const content = join(directory, 'seed')
  await mkdir(content, { recursive: true })
  await writeFile(join(content, 'meta-data'), metaData(specification))
  await writeFile(join(content, 'network-config'), networkConfiguration(specification.ports))
  await writeFile(join(content, 'user-data'), userData)
  await runTool(
    'xorriso',
    ['-as', 'mkisofs', '-quiet', '-V', 'cidata', '-J', '-r', '-o', 'seed.iso.new', 'seed'],
    { cwd: directory, timeoutMilliseconds },
  )
  await rename(join(directory, 'seed.iso.new'), join(directory, 'seed.iso'))
  await rm(content, { recursive: true })
}

function metaData(specification: IncarnationSpecification): string {
  const fields = {
    'instance-id': specification.instance,
    'local-hostname': specification.hostname,
    incarnation: specification.incarnation,
    generation: specification.generation,
  }
  // A JSON string is a YAML scalar, whatever it holds.
  return Object.entries(fields)
    .map(([key, value]) => `${key}: ${JSON.stringify(value)}\n`)
    .join('')
}

function networkConfiguration(ports: readonly NetworkPort[]): string {
  const lines = ['version: 2', `ethernets:${ports.length === 0 ? ' {}' : ''}`]
  ports.forEach((port, index) => {
    lines.push(
      `  net${index}:`,
      '    match:',
      `      macaddress: "${port.mac.toLowerCase()}"`,
      `    addresses: ["${port.address}/${port.prefixLength}"]`,
      '    routes:',
      '      - to: 0.0.0.0/0',
      `        via: ${port.gateway}`,
    )
  })
  return `${lines.join('\n')}\n`
}
