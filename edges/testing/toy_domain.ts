import { z } from 'zod'
import {
  command,
  contract,
  created,
  deleted,
  Labels,
  message,
  Name,
  resource,
  updated,
} from '../../domains/kernel/contract.ts'
import type { Domain } from '../../domains/kernel/domain.ts'
import { Registry } from '../../domains/kernel/registry.ts'

const Rule = message({
  port: [1, z.int32().min(1).max(65_535)],
  protocol: [2, z.enum(['tcp', 'udp'])],
})

const box = resource({
  doc: 'A box with rules.',
  plural: 'boxes',
  scope: 'project',
  fields: {
    state: [10, z.enum(['open', 'in-use'])],
    rules: [11, z.array(Rule.schema).max(4)],
    note: [12, z.string().max(64).nullable()],
    size: [13, z.int().min(0)],
    ratio: [14, z.number()],
    sealed: [15, z.boolean()],
  },
})

const shelf = resource({
  doc: 'Where boxes stand.',
  plural: 'shelves',
  scope: 'system',
  fields: { height: [10, z.int32()] },
})

/** One of each shape that a contract may have. */
const toy = contract({
  name: 'toy',
  doc: 'Boxes, to try the edges with.',
  resources: { box, shelf },
  commands: {
    CreateBox: command({
      doc: 'Makes a box.',
      permission: 'toy.boxes.create',
      scope: 'project',
      request: {
        project: [1, Name],
        name: [2, Name],
        labels: [3, Labels.default({})],
        rules: [4, z.array(Rule.schema).max(4).default([])],
        note: [5, z.string().max(64).nullable()],
        size: [6, z.int().min(0)],
        ratio: [7, z.number().default(0.5)],
        sealed: [8, z.boolean()],
      },
      result: { uid: [1, z.string()] },
    }),
    UpdateBox: command({
      doc: 'Changes what is given.',
      permission: 'toy.boxes.update',
      scope: 'project',
      request: {
        project: [1, Name],
        name: [2, Name],
        rules: [3, z.array(Rule.schema).max(4).optional()],
        note: [4, z.string().max(64).nullable().optional()],
        size: [5, z.int().min(0).optional()],
        state: [6, z.enum(['open', 'in-use']).optional()],
      },
      result: {},
    }),
  },
  events: {
    BoxCreated: created(box),
    BoxUpdated: updated(box),
    BoxDeleted: deleted(box),
    ShelfCreated: created(shelf),
    ShelfDeleted: deleted(shelf),
  },
})

/** A registry of the toy domain alone; its decisions are the fake control plane's. */
export function toyRegistry(): Registry {
  const domain: Domain = {
    contract: toy,
    state: { contract: toy, resources: {}, tables: {} },
    decide: {},
    evolve: {},
    upcast: {},
    processes: [],
    authorize: undefined,
  }
  return new Registry([domain])
}
