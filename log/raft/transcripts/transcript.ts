import type { MemberId } from '../types.ts'
import { Cluster } from './cluster.ts'

const clusterSize = 3

type Command = (cluster: Cluster, words: readonly string[]) => string | void

/** What a transcript may say; a result that is text is shown. Members are numbers, a link is written `1→3`. */
const commands: Readonly<Record<string, Command>> = {
  elect: (cluster, [id]) => quietly(cluster, () => cluster.elect(memberOf(id))),
  campaign: (cluster, [id]) => cluster.campaign(memberOf(id)),
  tick: (cluster, [id, count]) => cluster.tick(memberOf(id), Number(count ?? 1)),
  propose: (cluster, [id, ...texts]) => cluster.propose(memberOf(id), ...texts),
  read: (cluster, [id]) => `tag ${cluster.readIndex(memberOf(id))}`,
  transfer: (cluster, [from, to]) => {
    const isBegun = cluster.raft(memberOf(from)).transferLeadership(memberOf(to))
    cluster.work(memberOf(from))
    return isBegun ? 'begun' : 'refused'
  },
  // From now on, until `heal`.
  drop: (cluster, [link]) => cluster.cut(...linkOf(link)),
  repeat: (cluster, [link, index]) => cluster.repeat(...linkOf(link), Number(index)),
  limit: (cluster, [name, value]) => cluster.limit(name ?? '', Number(value)),
  isolate: (cluster, [id]) => cluster.isolate(memberOf(id)),
  heal: (cluster) => cluster.heal(),
  'hold-disk': (cluster, [id]) => cluster.holdDisk(memberOf(id)),
  'release-disk': (cluster, [id]) => cluster.releaseDisk(memberOf(id)),
  crash: (cluster, [id]) => cluster.crash(memberOf(id)),
  // The disk is lost: `format` says that the cluster is new, `recover` that it is not.
  format: (cluster, [id]) => cluster.replaceDisk(memberOf(id), 'founding'),
  recover: (cluster, [id]) => cluster.replaceDisk(memberOf(id), 'recovering'),
  restart: (cluster, [id]) => cluster.restart(memberOf(id)),
  stabilize: (cluster) => cluster.stabilize(),
  status: (cluster) => status(cluster),
  log: (cluster, [id]) => storedLog(cluster, memberOf(id)),
}

/** An election that only sets the scene is not shown: `campaign` and `stabilize` show one. */
function quietly(cluster: Cluster, action: () => void): void {
  const { onEvent } = cluster
  cluster.onEvent = () => {}
  action()
  cluster.onEvent = onEvent
}

/**
 * Runs a transcript: blocks of command lines (`>` before each), every block followed by what happened. Lines that start with
 * `#` explain. Returns the same text with what happens now. Throws RangeError for an unknown command.
 */
export function runTranscript(text: string): string {
  const cluster = new Cluster(clusterSize)
  const output: string[] = []
  cluster.onEvent = (event) => output.push(`  ${event}`)
  for (const line of text.split('\n')) {
    if (line.startsWith('#')) {
      output.push(line)
    } else if (line === '') {
      if (output.at(-1) !== '') output.push('')
    } else if (line.startsWith('> ')) {
      output.push(line)
      const result = runCommand(cluster, line.slice(2))
      if (typeof result === 'string') output.push(...result.split('\n').map((shown) => `  ${shown}`))
    }
  }
  return `${output.join('\n').trimEnd()}\n`
}

function runCommand(cluster: Cluster, line: string): string | void {
  const [name = '', ...words] = line.split(' ')
  const command = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (command === undefined) throw new RangeError(`no such command: ${line}`)
  return command(cluster, words)
}

function memberOf(word: string | undefined): MemberId {
  const id = Number(word)
  if (!Number.isSafeInteger(id) || id < 1 || id > clusterSize) throw new RangeError(`no such member: ${word}`)
  return id
}

function linkOf(word: string | undefined): [MemberId, MemberId] {
  const [from, to] = (word ?? '').split('→')
  return [memberOf(from), memberOf(to)]
}

function status(cluster: Cluster): string {
  const lines = [...cluster.members.values()].map(({ id, raft, isRunning }) => {
    if (!isRunning) return `${id} is down`
    const { role, standing, term, leader, lastIndex, stableIndex, commitIndex } = raft.status()
    return `${id} ${standing === 'voter' ? role : standing}, term ${term}, leader ${leader}, last ${lastIndex}, stable ${stableIndex}, commit ${commitIndex}`
  })
  return lines.join('\n')
}

function storedLog(cluster: Cluster, id: MemberId): string {
  const decoder = new TextDecoder()
  const lines = cluster
    .member(id)
    .disk.log.map((entry) =>
      `${entry.index}/${entry.term} ${entry.kind} ${decoder.decode(entry.payload)}`.trimEnd(),
    )
  return lines.length === 0 ? 'empty' : lines.join('\n')
}
