import { indexes, state } from '../kernel/domain.ts'
import contract, { recordSet, zone } from './contract.ts'

/** The key of the record sets of one name. */
export function nameInZone(zone: string, domainName: string): string {
  return `${zone} ${domainName}`
}

export default state(
  contract,
  {
    zone: indexes(zone)({ unique: { domain: ({ name }) => name } }),
    record_set: indexes(recordSet)({
      index: {
        zone: ({ zone }) => zone,
        domainName: ({ zone, domainName }) => nameInZone(zone, domainName),
      },
    }),
  },
  {},
)
