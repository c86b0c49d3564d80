import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  Labels,
  message,
  Name,
  owner,
  resource,
  Uid,
  updated,
  uses,
} from '../kernel/contract.ts'

/** `10.0.0.0/16`; that the host bits are zero is checked when it is used. */
const Cidr = z.cidrv4().max(18)
const Address = z.ipv4().max(15)
/** Lower case, as `02:ab:…`. */
const MacAddress = z
  .string()
  .max(17)
  .regex(/^[0-9a-f]{2}(:[0-9a-f]{2}){5}$/, 'must be six octets in lower-case hexadecimal')

const ruleDirections = ['ingress', 'egress'] as const
const ruleProtocols = ['any', 'tcp', 'udp', 'icmp'] as const
const PortNumber = z.int().min(0).max(65_535)

/** Ports are of TCP and UDP; 0 to 65535 are all of them. */
const rule = message({
  direction: [1, z.enum(ruleDirections)],
  protocol: [2, z.enum(ruleProtocols)],
  portFirst: [3, PortNumber.default(0)],
  portLast: [4, PortNumber.default(65_535)],
  remoteCidr: [5, Cidr.default('0.0.0.0/0')],
})
const Rules = z.array(rule.schema).max(64)

/** `down`: nobody uses it. `binding`: an incarnation is to use it. `active`: its guest runs. */
const portStates = ['down', 'binding', 'active'] as const

const vpc = resource({
  doc: 'A network of its own: its addresses may overlap those of others.',
  plural: 'vpcs',
  scope: 'project',
  fields: {
    cidr: [10, Cidr],
    /** The zone in which the names of its instances are published. */
    dnsZone: [11, uses('dns.zone').nullable()],
  },
})

export const subnet = resource({
  doc: 'A range of a VPC’s addresses. The network, the first (gateway) and the last (broadcast) address are reserved.',
  plural: 'subnets',
  scope: 'project',
  fields: { vpc: [10, owner('vpc.vpc')], cidr: [11, Cidr], gateway: [12, Address] },
})

const securityGroup = resource({
  doc: 'Rules that say what may reach and leave the ports that use it. What no rule allows is dropped.',
  plural: 'security-groups',
  scope: 'project',
  fields: { vpc: [10, owner('vpc.vpc')], rules: [11, Rules] },
})

export const port = resource({
  doc: 'An address in a subnet, and who uses it.',
  plural: 'ports',
  scope: 'project',
  fields: {
    subnet: [10, uses('vpc.subnet')],
    address: [11, Address],
    /** Unique in the VPC. */
    mac: [12, MacAddress],
    securityGroups: [13, z.array(uses('vpc.security_group')).max(16)],
    /** The instance it was allocated for, with which it goes. */
    instance: [14, owner('vm.instance').nullable()],
    state: [15, z.enum(portStates)],
    /** uid of the host, while bound. */
    host: [16, Uid.nullable()],
    /** uid of the incarnation, while bound. */
    incarnation: [17, Uid.nullable()],
  },
})

const inProject = { project: [1, Name], name: [2, Name] } as const
const labels = [3, Labels.default({})] as const
const changedLabels = [3, Labels.optional()] as const
const identified = { uid: [1, Uid] } as const
/** Of the same project; '' is none. */
const ZoneName = z.string().max(253)
const Groups = z.array(Name).max(16)

export default contract({
  name: 'vpc',
  doc: 'Networks, subnets, ports and security groups.',
  resources: { vpc, subnet, security_group: securityGroup, port },
  commands: {
    CreateVpc: command({
      doc: 'Creates a network. With a zone the names of its instances are published there.',
      permission: 'vpc.vpcs.create',
      scope: 'project',
      request: { ...inProject, labels, cidr: [10, Cidr], dnsZone: [11, ZoneName.default('')] },
      result: identified,
    }),
    UpdateVpc: command({
      doc: 'Changes a network’s labels or zone; the zone counts for instances created from then on.',
      permission: 'vpc.vpcs.update',
      scope: 'project',
      request: { ...inProject, labels: changedLabels, dnsZone: [11, ZoneName.optional()] },
      result: identified,
    }),
    DeleteVpc: command({
      doc: 'Deletes a network that has no ports, with its subnets and security groups.',
      permission: 'vpc.vpcs.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    CreateSubnet: command({
      doc: 'Creates a subnet inside its network’s range, beside the other subnets.',
      permission: 'vpc.subnets.create',
      scope: 'project',
      request: { ...inProject, labels, vpc: [10, Name], cidr: [11, Cidr] },
      result: identified,
    }),
    UpdateSubnet: command({
      doc: 'Changes a subnet’s labels.',
      permission: 'vpc.subnets.update',
      scope: 'project',
      request: { ...inProject, labels: changedLabels },
      result: identified,
    }),
    DeleteSubnet: command({
      doc: 'Deletes a subnet that has no ports.',
      permission: 'vpc.subnets.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    CreateSecurityGroup: command({
      doc: 'Creates a security group.',
      permission: 'vpc.security-groups.create',
      scope: 'project',
      request: { ...inProject, labels, vpc: [10, Name], rules: [11, Rules.default([])] },
      result: identified,
    }),
    UpdateSecurityGroup: command({
      doc: 'Changes a security group’s labels, or all of its rules.',
      permission: 'vpc.security-groups.update',
      scope: 'project',
      request: { ...inProject, labels: changedLabels, rules: [11, Rules.optional()] },
      result: identified,
    }),
    DeleteSecurityGroup: command({
      doc: 'Deletes a security group that no port uses.',
      permission: 'vpc.security-groups.delete',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
    AllocatePort: command({
      doc: 'Takes an address of a subnet: the one given, or the lowest that is free.',
      permission: 'vpc.ports.allocate',
      scope: 'project',
      request: {
        ...inProject,
        labels,
        subnet: [10, Name],
        address: [11, Address.optional()],
        securityGroups: [12, Groups.default([])],
        /** uid of an instance of the project, with which the port goes. */
        instance: [13, Uid.optional()],
      },
      result: { ...identified, address: [2, Address], mac: [3, MacAddress] },
    }),
    UpdatePort: command({
      doc: 'Changes a port’s labels or security groups.',
      permission: 'vpc.ports.update',
      scope: 'project',
      request: { ...inProject, labels: changedLabels, securityGroups: [12, Groups.optional()] },
      result: identified,
    }),
    BindPort: command({
      doc: 'Says which incarnation uses a port, or that none does. The decisions of vm run it.',
      permission: 'vpc.ports.bind',
      scope: 'system',
      request: {
        port: [1, Uid],
        state: [2, z.enum(portStates)],
        host: [3, Uid.nullable()],
        incarnation: [4, Uid.nullable()],
      },
      result: identified,
    }),
    ReleasePort: command({
      doc: 'Gives an address back. A port of an instance goes with its instance only.',
      permission: 'vpc.ports.release',
      scope: 'project',
      request: inProject,
      result: identified,
    }),
  },
  events: {
    VpcCreated: created(vpc),
    VpcUpdated: updated(vpc),
    VpcDeleted: deleted(vpc),
    SubnetCreated: created(subnet),
    SubnetUpdated: updated(subnet),
    SubnetDeleted: deleted(subnet),
    SecurityGroupCreated: created(securityGroup),
    SecurityGroupUpdated: updated(securityGroup),
    SecurityGroupDeleted: deleted(securityGroup),
    PortAllocated: created(port),
    PortUpdated: updated(port),
    PortBound: updated(port),
    PortReleased: deleted(port),
  },
})
