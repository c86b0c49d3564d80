import { library } from '../../../domains/kernel/sample/index.ts'
import type { Projection } from '../projection.ts'

/** How many pages stand on each shelf: a projection for the kernel's own tests. A shelf called `cursed` makes it choke. */
export const shelfPages: Projection = {
  name: 'shelf_pages',
  version: 1,
  referrers: ['library.book'],
  affected: ({ kind, before, after }) => {
    if (kind === 'library.shelf') return [(after ?? before)?.uid ?? '']
    return kind === 'library.book' ? [(((after ?? before) as unknown as { shelf: string }) ?? {}).shelf] : []
  },
  affectedByHistory: () => [],
  row: (key, resources) => {
    const shelf = resources.get(library, 'shelf', key)
    if (shelf === undefined) return undefined
    if (shelf.name === 'cursed') throw new Error('the shelf is cursed')
    const pages = resources.referrers(library, 'book', key).reduce((total, book) => total + book.pages, 0)
    return { slice: '', data: { shelf: shelf.name, pages } }
  },
}
