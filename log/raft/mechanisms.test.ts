import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

interface Mechanism {
  readonly name: string
  /** Where tests are named for it, beside this file. */
  readonly testedIn: readonly string[]
  /** Told step by step; none for what drops a message without a word. */
  readonly transcripts: readonly string[]
}

/** What a Raft with fixed membership needs. */
const mechanisms: readonly Mechanism[] = [
  { name: 'PreVote', testedIn: ['election.test.ts'], transcripts: ['prevote', 'first_election'] },
  {
    name: 'CheckQuorum and vote lease',
    testedIn: ['election.test.ts'],
    transcripts: ['check_quorum', 'vote_lease', 'stuck_in_a_higher_term'],
  },
  { name: 'No-op at term start', testedIn: ['replication.test.ts'], transcripts: ['no_op'] },
  { name: 'ReadIndex', testedIn: ['read_index.test.ts'], transcripts: ['read_index'] },
  {
    name: 'Probe and replicate states',
    testedIn: ['replication.test.ts'],
    transcripts: ['probe_and_replicate'],
  },
  {
    name: 'Conflict hint',
    testedIn: ['replication.test.ts', 'raft_log.test.ts'],
    transcripts: ['conflict'],
  },
  { name: 'Backpressure', testedIn: ['backpressure.test.ts'], transcripts: ['backpressure'] },
  {
    name: 'Heartbeats',
    testedIn: ['replication.test.ts'],
    transcripts: ['heartbeats', 'slow_disk_of_the_leader'],
  },
  {
    name: 'Follower truncation',
    testedIn: ['replication.test.ts', 'raft_log.test.ts'],
    transcripts: ['follower_truncation', 'conflict'],
  },
  { name: 'Leader transfer on shutdown', testedIn: ['election.test.ts'], transcripts: ['transfer'] },
  { name: 'Cluster id and member id', testedIn: ['election.test.ts'], transcripts: [] },
]

test.each(mechanisms)('$name has tests named for it, and is told in transcripts', (mechanism) => {
  const { name, testedIn, transcripts } = mechanism
  for (const file of testedIn) {
    const text = readFileSync(join(import.meta.dirname, file), 'utf8')
    expect(text, file).toContain(`describe('${name}`)
  }
  for (const transcript of transcripts) {
    expect(existsSync(join(import.meta.dirname, 'transcripts', `${transcript}.txt`)), transcript).toBe(true)
  }
})
