import type { RecordType } from '../../domains/dns/records.ts'
import type { RecordRow, RowChange, ZoneRow } from './zone-store.ts'

const zone: ZoneRow = {
  set: 'zone',
  name: 'demo.test',
  serial: 2_026_010_101,
  primary: 'ns1.demo.test',
  mailbox: 'hostmaster@demo.test',
  refresh: 3600,
  retry: 600,
  expire: 604_800,
  minimum: 300,
  ttl: 3600,
  nameservers: ['ns1.demo.test.', 'ns2.demo.test.', 'ns.other.test.'],
}

function record(name: string, type: RecordType, ...values: string[]): RecordRow {
  return recordIn('demo.test', name, type, ...values)
}

function recordIn(zone: string, name: string, type: RecordType, ...values: string[]): RecordRow {
  return { set: 'record', zone, name, type, ttl: 60 + name.length, values }
}

/** A name of some 220 octets: with its alias and without EDNS, hardly anything fits a response any more. */
function longName(letter: string): string {
  return `${`${letter.repeat(60)}.`.repeat(3)}${letter.repeat(30)}.demo.test`
}

const addresses = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `10.9.0.${index + 1}`)

const aliases = Array.from({ length: 8 }, (_, index) =>
  record(`chain${index}.demo.test`, 'CNAME', `chain${index + 1}.demo.test`),
)

/** One zone with every type and every case of RFC 1034, 2181, 2308 and 4592 that an answer can depend on. */
export const demoRows: readonly (ZoneRow | RecordRow)[] = [
  zone,
  record('demo.test', 'A', '192.0.2.1'),
  record('demo.test', 'MX', '10 mail.demo.test.', '20 mail.other.test.', '30 box.wild.demo.test.'),
  record('demo.test', 'TXT', 'v=spf1 -all', '"two" "strings"'),
  record('demo.test', 'CAA', '0 issue "ca.example"', '128 iodef "mailto:security@demo.test"'),
  record('ns1.demo.test', 'A', '192.0.2.53'),
  record('ns1.demo.test', 'AAAA', '2001:db8::53'),
  record('ns2.demo.test', 'A', '192.0.2.54'),
  record('mail.demo.test', 'A', '192.0.2.25', '192.0.2.26'),
  record('mail.demo.test', 'AAAA', '2001:db8::25'),
  record('web.demo.test', 'A', '192.0.2.80', '192.0.2.81', '192.0.2.82'),
  record('web.demo.test', 'AAAA', '2001:db8::80'),
  record('web.demo.test', 'TXT', 'web \\ "quoted" ü'),
  record('only-txt.demo.test', 'TXT', '""'),
  record('null-mx.demo.test', 'MX', '0 .'),
  record(
    '_http._tcp.demo.test',
    'SRV',
    '0 5 80 web.demo.test.',
    '1 0 8080 mail.demo.test.',
    '2 0 81 gone.demo.test.',
  ),
  record('www.demo.test', 'CNAME', 'web.demo.test.'),
  record('alias.demo.test', 'CNAME', 'www.demo.test.'),
  record('out.demo.test', 'CNAME', 'www.other.test.'),
  record('dangling.demo.test', 'CNAME', 'nothing.demo.test.'),
  record('to-ent.demo.test', 'CNAME', 'b.ent.demo.test.'),
  record('to-wild.demo.test', 'CNAME', 'some.wild.demo.test.'),
  record('to-sub.demo.test', 'CNAME', 'host.sub.demo.test.'),
  record('loop1.demo.test', 'CNAME', 'loop2.demo.test.'),
  record('loop2.demo.test', 'CNAME', 'loop1.demo.test.'),
  record('self.demo.test', 'CNAME', 'self.demo.test.'),
  ...aliases,
  record('chain8.demo.test', 'A', '192.0.2.99'),
  record('a.b.ent.demo.test', 'A', '192.0.2.5'),
  record('*.wild.demo.test', 'A', '192.0.2.100', '192.0.2.101'),
  record('*.wild.demo.test', 'TXT', 'wildcard'),
  record('*.wild.demo.test', 'MX', '5 mail.demo.test.'),
  record('exists.wild.demo.test', 'AAAA', '2001:db8::e'),
  record('x.y.wild.demo.test', 'A', '192.0.2.102'),
  record('*.wcut.demo.test', 'NS', 'ns.other.test.', 'ns1.demo.test.'),
  record(longName('l'), 'CNAME', `${longName('m')}.`),
  record('*.walias.demo.test', 'CNAME', 'web.demo.test.'),
  record('*.wloop.demo.test', 'CNAME', 'again.wloop.demo.test.'),
  record('sub.demo.test', 'NS', 'ns1.sub.demo.test.', 'ns2.demo.test.', 'ns.other.test.'),
  record('ns1.sub.demo.test', 'A', '192.0.2.153'),
  record('ns1.sub.demo.test', 'AAAA', '2001:db8::153'),
  record('deep.sub.demo.test', 'A', '192.0.2.154'),
  record('*.sub.demo.test', 'A', '192.0.2.155'),
  record('lame.demo.test', 'NS', 'ns.other.test.'),
  record('under.cut.demo.test', 'NS', 'ns.under.cut.demo.test.'),
  record('ns.under.cut.demo.test', 'A', '192.0.2.156'),
  record('4.3.2.1.demo.test', 'PTR', 'web.demo.test.'),
  record('many.demo.test', 'A', ...addresses(40)),
  record('crowd.demo.test', 'A', ...addresses(250)),
  record('long.demo.test', 'TXT', 'x'.repeat(700)),
  record('longer.demo.test', 'TXT', 'y'.repeat(2000)),
  record(
    'busy.demo.test',
    'MX',
    ...Array.from({ length: 12 }, (_, index) => `${index} mx${index}.busy.demo.test.`),
  ),
  ...Array.from({ length: 12 }, (_, index) => record(`mx${index}.busy.demo.test`, 'A', ...addresses(4))),
  record('wide.demo.test', 'NS', ...Array.from({ length: 13 }, (_, index) => `ns${index}.wide.demo.test.`)),
  ...Array.from({ length: 13 }, (_, index) =>
    record(`ns${index}.wide.demo.test`, 'AAAA', `2001:db8:1::${index}`),
  ),
  record('od\\.d.demo.test', 'A', '192.0.2.6'),
  record('\\000nul.demo.test', 'A', '192.0.2.7'),
  record('under_score.demo.test', 'A', '192.0.2.8'),
]

/** A zone that holds two others: one it delegates, and one it does not know of. Its SOA may be kept for less than MINIMUM. */
export const nestedRows: readonly (ZoneRow | RecordRow)[] = [
  { ...zone, name: 'nest.test', ttl: 120, nameservers: ['ns.nest.test.'] },
  recordIn('nest.test', 'ns.nest.test', 'A', '192.0.2.60'),
  recordIn('nest.test', 'child.nest.test', 'NS', 'ns.child.nest.test.'),
  recordIn('nest.test', 'ns.child.nest.test', 'A', '192.0.2.61'),
  recordIn('nest.test', 'into.nest.test', 'CNAME', 'web.child.nest.test.'),
  recordIn('nest.test', 'big.nest.test', 'CNAME', 'bigger.nest.test.'),
  recordIn('nest.test', 'bigger.nest.test', 'A', ...addresses(100)),
  { ...zone, name: 'child.nest.test', nameservers: ['ns.child.nest.test.'] },
  recordIn('child.nest.test', 'ns.child.nest.test', 'A', '192.0.2.61'),
  recordIn('child.nest.test', 'web.child.nest.test', 'A', '192.0.2.62'),
  recordIn('child.nest.test', 'up.child.nest.test', 'CNAME', 'ns.nest.test.'),
  { ...zone, name: 'orphan.nest.test', nameservers: ['ns.nest.test.'] },
  recordIn('orphan.nest.test', 'web.orphan.nest.test', 'A', '192.0.2.63'),
]

export function changesOf(rows: readonly (ZoneRow | RecordRow)[]): RowChange[] {
  return rows.map((row) => ({
    key: row.set === 'zone' ? `zone/${row.name}` : `record/${row.zone}/${row.name}/${row.type}`,
    row,
  }))
}
