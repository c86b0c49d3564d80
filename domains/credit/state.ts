import type { RowOf } from '../kernel/contract.ts'
import { indexes, state } from '../kernel/domain.ts'
import contract, { type ResourceClass, reservation, resourceClasses } from './contract.ts'

type Reservation = RowOf<typeof reservation>
type UsedSum = `used ${ResourceClass}`

/** What a reservation takes of a class. */
export function amountOf({ amounts }: Pick<Reservation, 'amounts'>, of: ResourceClass): number {
  return amounts.reduce((sum, { class: taken, amount }) => (taken === of ? sum + amount : sum), 0)
}

/** A running total a class, by project: usage is never stored, and so never wrong. */
const used = Object.fromEntries(
  resourceClasses.map((of) => [
    `used ${of}`,
    { key: ({ project }: Reservation) => project, amount: (row: Reservation) => amountOf(row, of) },
  ]),
) as Record<UsedSum, { key: (row: Reservation) => string; amount: (row: Reservation) => number }>

export default state(contract, { reservation: indexes(reservation)({ sum: used }) }, {})
