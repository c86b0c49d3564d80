/** The roles that every cloud has, made by Bootstrap. */
export const builtInRoles = [
  { name: 'admin', description: 'Everything, for operators of the cloud.', permissions: ['*'] },
  { name: 'owner', description: 'Everything in an organization or a project.', permissions: ['*'] },
  {
    name: 'editor',
    description: 'Changes resources, but not who may do so.',
    permissions: ['vpc.*', 'vm.*', 'dns.*', 'lb.*', '*.*.get'],
  },
  { name: 'viewer', description: 'Reads everything.', permissions: ['*.*.get'] },
  {
    name: 'host',
    description: 'A host daemon: registers, follows what it should run, and reports what it runs.',
    permissions: [
      'vm.hosts.register',
      'vm.hosts.heartbeat',
      'vm.hosts.feed',
      'vm.hosts.report',
      'vm.incarnations.report',
    ],
  },
  {
    name: 'balancer',
    description: 'A balancer: follows the load balancers, and reports the health of members.',
    permissions: ['lb.load-balancers.feed', 'lb.load-balancers.heartbeat', 'lb.members.report'],
  },
  {
    name: 'dns',
    description: 'A DNS server: follows the zones.',
    permissions: ['dns.zones.feed', 'dns.zones.heartbeat'],
  },
] as const

/** The role whose last active user cannot be taken away. */
export const adminRole = 'admin'
