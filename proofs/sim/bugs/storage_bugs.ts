import type { Bug } from './bug.ts'

const disk = 'proofs/sim/disk/disk.ts'
const group = 'proofs/sim/disk/group.ts'
const opening = 'proofs/sim/disk/opening.ts'
const medium = 'proofs/sim/disk/medium.ts'
const member = 'proofs/sim/member.ts'

/** Bugs of storage, sown into the simulated one. */
export const storageBugs: readonly Bug[] = [
  {
    name: 'forgets term and vote in a crash',
    breaks: 'election safety',
    file: disk,
    find: 'this.#last = opened.last\n',
    replace: 'this.#last = { ...opened.last, hardState: { term: opened.log.at(-1)?.term ?? 0, vote: 0 } }\n',
  },
  {
    name: 'forgets only the vote in a crash',
    breaks: 'election safety',
    file: disk,
    find: 'this.#last = opened.last\n',
    replace: 'this.#last = { ...opened.last, hardState: { term: opened.last.hardState.term, vote: 0 } }\n',
  },
  {
    name: 'loses the last synced entry in a crash',
    breaks: 'no committed entry lost',
    file: disk,
    find: 'this.#log = [...opened.log]',
    replace: 'this.#log = opened.log.slice(0, -1)',
  },
  {
    name: 'accepts a blank disk',
    breaks: 'no committed entry lost',
    file: member,
    find: "else this.wipe(this.#random.chance(0.3) ? 'founding' : 'recovering')",
    replace: "else this.wipe('voter')",
  },
  {
    name: 'keeps the entries that were to be replaced',
    breaks: 'log matching',
    file: disk,
    find: 'write.truncateFrom === 0 ? []',
    replace: 'write.truncateFrom > 0 ? []',
  },
  {
    name: 'takes a failed sync for a good one',
    breaks: 'durability before an answer',
    file: disk,
    find: 'this.#ports.failed()\n    return true',
    replace: 'for (const { done } of this.#underWay?.queued ?? []) done()\n    return true',
  },
  {
    name: 'acknowledges before the group is durable',
    breaks: 'durability before an answer',
    file: disk,
    find: 'this.#underWay = underWay\n',
    replace: 'this.#underWay = underWay\n    this.#report(queued.splice(0, 1))\n',
  },
  {
    name: 'writes the mark before the group that it names',
    breaks: 'progress',
    file: disk,
    find: 'this.#underWay = underWay\n',
    replace: 'this.#underWay = underWay\n    this.#medium.writeMark(markOf(group), false)\n',
  },
  {
    name: 'a group without a new vote holds none',
    breaks: 'election safety',
    file: group,
    find: 'hardState: hardState ?? last.hardState',
    replace: 'hardState: hardState ?? { ...last.hardState, vote: 0 }',
  },
  {
    name: 'does not compare the end of the log with the mark',
    breaks: 'no committed entry lost',
    file: opening,
    find: 'last === undefined || last.sequence < mark.sequence',
    replace: 'last === undefined',
  },
  {
    name: 'takes a directory without a mark for a new one',
    breaks: 'no committed entry lost',
    file: opening,
    find: 'const mark = medium.openMark()',
    replace:
      'const mark = medium.openMark() ?? { sequence: 0, link: 0 }\n  if (mark.sequence === 0) medium.places.length = 1',
  },
  {
    name: 'does not verify the checksum of a group',
    breaks: 'state-machine safety',
    file: opening,
    find: "if (placed.state === 'damaged') return 'TAIL_DAMAGED'",
    replace: '',
  },
  {
    name: 'writes both slots of the mark at once',
    breaks: 'progress',
    file: medium,
    find: 'this.#slots[this.#markNumber % 2] = isTorn ? null : { mark, number: this.#markNumber }',
    replace:
      'for (const slot of [0, 1]) this.#slots[slot] = isTorn ? null : { mark, number: this.#markNumber }',
  },
]

/** These take a schedule that is hard to come by. */
export const rareStorageBugs: readonly Bug[] = [
  {
    name: 'joins a write with one whose entries it replaces',
    breaks: 'progress',
    file: group,
    find: 'if (entries > 0 && baseOf(write) < lastIndex) break',
    replace: 'void lastIndex',
  },
  {
    name: 'takes a damaged group for one that a crash tore',
    breaks: 'no committed entry lost',
    file: opening,
    find: "placed.state === 'torn') break",
    replace: "placed.state !== 'whole') break",
  },
  {
    name: 'does not look at what lies behind a hole',
    breaks: 'no committed entry lost',
    file: opening,
    find: "if (medium.places.length > count + 1) return 'TAIL_DAMAGED'",
    replace: '',
  },
  {
    name: 'does not make zeros of what a crash left',
    breaks: 'progress',
    file: medium,
    find: 'this.places.length = count',
    replace: 'void count',
  },
  {
    name: 'does not verify the chain of the groups',
    breaks: 'no committed entry lost',
    file: opening,
    find: 'return group.sequence === last.sequence + 1 && group.previousLink === last.link',
    replace: 'return group !== last',
  },
  {
    name: 'verifies the sequence of the groups, and not the chain',
    breaks: 'no committed entry lost',
    file: opening,
    find: ' && group.previousLink === last.link',
    replace: '',
  },
  {
    name: 'does not compare the group that the mark names',
    breaks: 'no committed entry lost',
    file: opening,
    find: 'group.sequence === mark.sequence && group.link !== mark.link',
    replace: 'group.sequence < 0',
  },
  {
    name: 'reads a damaged group as if it were sound',
    breaks: 'state-machine safety',
    file: disk,
    find: "placed?.state !== 'whole'",
    replace: 'placed === null',
  },
  {
    name: 'writes the term after its entries',
    breaks: 'durability before an answer',
    file: disk,
    find: 'if (underWay !== null && outcome < 0.5) {\n      this.#apply(underWay)',
    replace:
      'if (underWay !== null && outcome < 0.5) {\n      const { hardState } = this.#last\n      const queued = underWay.queued.map(({ write, done }) => ({ write: { ...write, hardState: null }, done }))\n      this.#apply({ queued, group: linked({ ...underWay.group, hardState }) })',
  },
  {
    name: 'never writes the mark',
    breaks: 'no committed entry lost',
    file: 'proofs/sim/disk/mark_keeper.ts',
    find: 'this.#wanted = mark\n    this.#schedule(medium)',
    replace: 'void [mark, medium]',
  },
]
