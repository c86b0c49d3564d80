import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  Labels,
  Name,
  owner,
  resource,
  Uid,
  updated,
} from '../kernel/contract.ts'

/** An absolute domain name, with or without the dot at its end; rows hold it in lower case and without. */
const DomainName = z.string().min(1).max(253)
/** Seconds: RFC 2181 section 8. */
const Ttl = z.int().min(0).max(2_147_483_647)
const Values = z.array(z.string().min(1).max(4096)).min(1).max(16)
const NameServers = z.array(DomainName).min(1).max(13)

/** SOA is the zone’s own, and so are the NS records at its apex. Append only. */
const recordSetTypes = ['A', 'AAAA', 'NS', 'CNAME', 'MX', 'TXT', 'SRV', 'PTR', 'CAA'] as const

export const zone = resource({
  doc: 'A zone this cloud is authoritative for. Its name is its domain name; its serial is the time of its last change in seconds, or one more than before where that is larger.',
  plural: 'zones',
  scope: 'project',
  fields: {
    /** MNAME: the first of the name servers. */
    primary: [10, DomainName],
    /** RNAME in its name form: `hostmaster.demo.test`. */
    mailbox: [11, DomainName],
    /** Seconds, as all that follow (RFC 1035 section 3.3.13). */
    refresh: [12, Ttl],
    retry: [13, Ttl],
    expire: [14, Ttl],
    /** How long a negative answer may be kept (RFC 2308 section 4). */
    minimum: [15, Ttl],
    /** Of the SOA and NS records at the apex. */
    ttl: [16, Ttl],
    nameservers: [17, NameServers],
  },
})

/** Its row’s name is `web.demo.test:A`. */
export const recordSet = resource({
  doc: 'All the records of one name and type.',
  plural: 'record-sets',
  scope: 'project',
  fields: {
    zone: [10, owner('dns.zone')],
    /** Fully qualified, in lower case, without the dot at the end; `*.demo.test` is a wildcard. */
    domainName: [11, DomainName],
    type: [12, z.enum(recordSetTypes)],
    ttl: [13, Ttl],
    /** In canonical presentation format (RFC 1035 section 5.1). */
    values: [14, Values],
    /** The instance it was published for, with which it goes. */
    instance: [15, owner('vm.instance').nullable()],
  },
})

const labels = [3, Labels.default({})] as const
const changedLabels = [3, Labels.optional()] as const
const identified = { uid: [1, Uid] } as const
const ofZone = { project: [1, Name], name: [2, DomainName] } as const

export default contract({
  name: 'dns',
  doc: 'Zones and the records in them.',
  resources: { zone, record_set: recordSet },
  commands: {
    CreateZone: command({
      doc: 'Creates a zone. Its name must be free in the whole cluster, and neither inside nor around another project’s zone.',
      permission: 'dns.zones.create',
      scope: 'project',
      request: {
        ...ofZone,
        labels,
        /** `ns1.` and the zone’s name when none is given. */
        nameservers: [10, z.array(DomainName).max(13).default([])],
        /** `hostmaster.` and the zone’s name when none is given; `local@domain` is understood. */
        mailbox: [11, DomainName.optional()],
        refresh: [12, Ttl.default(3600)],
        retry: [13, Ttl.default(600)],
        expire: [14, Ttl.default(604_800)],
        minimum: [15, Ttl.default(60)],
        ttl: [16, Ttl.default(3600)],
      },
      result: identified,
    }),
    UpdateZone: command({
      doc: 'Changes a zone’s labels, name servers, mailbox or timers.',
      permission: 'dns.zones.update',
      scope: 'project',
      request: {
        ...ofZone,
        labels: changedLabels,
        nameservers: [10, NameServers.optional()],
        mailbox: [11, DomainName.optional()],
        refresh: [12, Ttl.optional()],
        retry: [13, Ttl.optional()],
        expire: [14, Ttl.optional()],
        minimum: [15, Ttl.optional()],
        ttl: [16, Ttl.optional()],
      },
      result: identified,
    }),
    DeleteZone: command({
      doc: 'Deletes a zone with all its records.',
      permission: 'dns.zones.delete',
      scope: 'project',
      request: ofZone,
      result: identified,
    }),
    PutRecordSet: command({
      doc: 'Sets all the records of a name and type, whether there were any or not.',
      permission: 'dns.record-sets.put',
      scope: 'project',
      request: {
        project: [1, Name],
        zone: [2, DomainName],
        /** `@` is the zone itself; a name that does not end in a dot or in the zone’s name is taken inside it. */
        name: [4, DomainName],
        type: [5, z.enum(recordSetTypes)],
        ttl: [6, Ttl.default(300)],
        values: [7, Values],
        labels: [3, Labels.default({})],
        /** uid of an instance of the project, with which the records go. */
        instance: [8, Uid.optional()],
      },
      result: { ...identified, domainName: [2, DomainName] },
    }),
    DeleteRecordSet: command({
      doc: 'Deletes all the records of a name and type. Those of an instance go with it only.',
      permission: 'dns.record-sets.delete',
      scope: 'project',
      request: {
        project: [1, Name],
        zone: [2, DomainName],
        name: [4, DomainName],
        type: [5, z.enum(recordSetTypes)],
      },
      result: identified,
    }),
  },
  events: {
    ZoneCreated: created(zone),
    ZoneUpdated: updated(zone),
    ZoneDeleted: deleted(zone),
    RecordSetCreated: created(recordSet),
    RecordSetChanged: updated(recordSet),
    RecordSetDeleted: deleted(recordSet),
  },
})
