import type { RowOf } from '../../domains/kernel/contract.ts'
import vm from '../../domains/vm/contract.ts'
import vpc from '../../domains/vpc/contract.ts'
import type { ProjectedResources, Projection, ResourceChange } from '../kernel/projection.ts'

type Incarnation = RowOf<(typeof vm)['resources']['incarnation']>
type Instance = RowOf<(typeof vm)['resources']['instance']>

/** What each host should run: a row an incarnation, in the slice of its host. */
export const hosts: Projection = {
  name: 'hosts',
  version: 1,
  referrers: [],
  affected: ({ kind, before, after }: ResourceChange) =>
    kind === 'vm.incarnation' ? [((after ?? before) as unknown as Incarnation).uid] : [],
  affectedByHistory: () => [],
  row: (key, resources, { before }) => {
    const incarnation = resources.get(vm, 'incarnation', key)
    const instance =
      incarnation === undefined ? undefined : resources.get(vm, 'instance', incarnation.instance)
    if (incarnation === undefined || instance === undefined) return undefined
    const desired = before === undefined ? specification(incarnation, instance, resources) : before
    return { slice: incarnation.host, data: { ...desired, intent: incarnation.intent } }
  },
}

/** It never changes while the incarnation is there. */
function specification(incarnation: Incarnation, instance: Instance, resources: ProjectedResources): object {
  const image = resources.get(vm, 'image', instance.image)
  const port = instance.port === null ? undefined : resources.get(vpc, 'port', instance.port)
  const subnet = port === undefined ? undefined : resources.get(vpc, 'subnet', port.subnet)
  const network =
    port === undefined || subnet === undefined
      ? []
      : [
          {
            uid: port.uid,
            address: port.address,
            prefixLength: Number(subnet.cidr.split('/')[1]),
            gateway: subnet.gateway,
            mac: port.mac,
            forwards: instance.guestPorts,
          },
        ]
  return {
    incarnation: incarnation.uid,
    instance: instance.uid,
    project: instance.project,
    name: instance.name,
    generation: incarnation.generation,
    intent: incarnation.intent,
    vcpus: incarnation.vcpus,
    memoryMebibytes: incarnation.memoryMebibytes,
    image: image?.name ?? '',
    ...(image !== undefined && image.digest !== '' ? { imageDigest: image.digest } : {}),
    ports: network,
    ...(instance.userData === '' ? {} : { userData: instance.userData }),
    hostname: instance.name,
  }
}
