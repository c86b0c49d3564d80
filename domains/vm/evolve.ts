import type { Evolve } from '../kernel/domain.ts'
import type state from './state.ts'

export const evolve: Evolve<typeof state> = {
  HistoryAdopted: ({ adopted }, data) => adopted.put('current', data),
}
