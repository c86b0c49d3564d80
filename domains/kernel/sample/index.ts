import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  event,
  Labels,
  Name,
  owner,
  resource,
  updated,
  uses,
} from '../contract.ts'
import { domain, indexes, state, table } from '../domain.ts'
import { reject } from '../rejection.ts'

const shelf = resource({
  doc: 'A shelf',
  plural: 'shelves',
  scope: 'system',
  fields: { capacity: [10, z.int().min(0)] },
})
const book = resource({
  doc: 'A book',
  plural: 'books',
  scope: 'system',
  fields: {
    shelf: [10, owner('library.shelf')],
    pages: [11, z.int().min(1)],
    sequel: [12, uses('library.book').nullable()],
  },
})

/** A small domain for the kernel's own tests. */
export const library = contract({
  name: 'library',
  doc: 'Books on shelves.',
  resources: { shelf, book },
  commands: {
    CreateShelf: command({
      doc: 'Puts up a shelf',
      permission: 'library.shelves.create',
      scope: 'system',
      request: { name: [1, Name], capacity: [2, z.int().min(0).default(3)], labels: [3, Labels.default({})] },
      result: { uid: [1, z.string()] },
    }),
    AddBook: command({
      doc: 'Puts a book on a shelf',
      permission: 'library.books.create',
      scope: 'system',
      request: {
        name: [1, Name],
        shelf: [2, Name],
        pages: [3, z.int().min(1)],
        sequel: [4, Name.optional()],
      },
      result: { uid: [1, z.string()] },
    }),
    AddPair: command({
      doc: 'Puts two books on a shelf, or none',
      permission: 'library.books.create',
      scope: 'system',
      request: { first: [1, Name], second: [2, Name], shelf: [3, Name] },
      result: { first: [1, z.string()], second: [2, z.string()] },
    }),
    ResizeShelf: command({
      doc: 'Changes how much a shelf holds',
      permission: 'library.shelves.update',
      scope: 'system',
      request: { name: [1, Name], capacity: [2, z.int().min(0)] },
      result: {},
    }),
    DeleteShelf: command({
      doc: 'Takes a shelf down, with its books',
      permission: 'library.shelves.delete',
      scope: 'system',
      request: { name: [1, Name] },
      result: {},
    }),
    LendBook: command({
      doc: 'Counts that a book was lent',
      permission: 'library.books.lend',
      scope: 'system',
      request: { name: [1, Name] },
      result: { times: [1, z.int()] },
    }),
  },
  events: {
    ShelfCreated: created(shelf),
    ShelfResized: updated(shelf),
    ShelfDeleted: deleted(shelf),
    BookAdded: created(book),
    BookDeleted: deleted(book),
    BookLent: event({ book: [1, z.string()], times: [2, z.int()] }, 2),
  },
})

interface Lending {
  readonly book: string
  readonly times: number
}

const spec = state(
  library,
  {
    book: indexes(book)({
      index: { shelf: (row) => row.shelf },
      sum: { pages: { key: (row) => row.shelf, amount: (row) => row.pages } },
    }),
  },
  { lending: table<Lending>()({}) },
)

export default domain({
  state: spec,
  decide: {
    CreateShelf: ({ name, capacity, labels }, context) => {
      const uid = context.uid()
      context.emit('ShelfCreated', { uid, name, labels, capacity })
      return { uid }
    },
    AddBook: ({ name, shelf: shelfName, pages, sequel }, context) => {
      const on = context.need(library, 'shelf', '', shelfName)
      const held = context.state.book.count('shelf', on.uid)
      if (held >= on.capacity)
        reject('QUOTA_EXCEEDED', `shelf ${shelfName} holds ${held} of ${on.capacity} books`)
      const uid = context.uid()
      const sequelUid = sequel === undefined ? null : context.need(library, 'book', '', sequel).uid
      context.emit('BookAdded', { uid, name, labels: {}, shelf: on.uid, pages, sequel: sequelUid })
      return { uid }
    },
    AddPair: ({ first, second, shelf: on }, context) => {
      const one = context.run(library, 'AddBook', { name: first, shelf: on, pages: 10 })
      const two = context.run(library, 'AddBook', { name: second, shelf: on, pages: 20, sequel: first })
      return { first: one.uid, second: two.uid }
    },
    ResizeShelf: ({ name, capacity }, context) => {
      const row = context.target('shelf', '', name)
      context.emit('ShelfResized', { uid: row.uid, capacity })
      return {}
    },
    DeleteShelf: ({ name }, context) => {
      context.remove(library, 'shelf', context.target('shelf', '', name).uid)
      return {}
    },
    LendBook: ({ name }, context) => {
      const { uid } = context.need(library, 'book', '', name)
      const times = (context.state.lending.get(uid)?.times ?? 0) + 1
      context.emit('BookLent', { book: uid, times })
      return { times }
    },
  },
  evolve: {
    BookLent: ({ lending }, { book: uid, times }) => lending.put(uid, { book: uid, times }),
  },
  upcast: { 'BookLent@1': (old) => ({ ...old, times: 1 }) },
})
