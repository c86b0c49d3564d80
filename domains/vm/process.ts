import type { Draft, Process, ProcessView } from '../kernel/domain.ts'
import { place } from './place.ts'
import type state from './state.ts'
import { usageOf } from './usage.ts'

type VmView = ProcessView<typeof state>

/** A host not heard of for so long is suspected. Daemons beat every few seconds. */
const SUSPECT_MS = 15_000
/** How long a host that is heard of has to name an incarnation that is in doubt. */
const DOUBT_MS = 30_000
/** Instances placed a round, so that one entry’s work stays short. */
const PLACES_MAX = 64
const DOUBTS_MAX = 64

/** When a host can last be held to have been silent: before this leader’s term nobody listened. */
function silence(view: VmView, host: string): number {
  return view.now - Math.max(view.heartbeat(host) ?? 0, view.leaderSince)
}

function isHeard(view: VmView, host: string): boolean {
  return view.heartbeat(host) !== undefined && silence(view, host) <= SUSPECT_MS
}

/** Records which hosts are heard of. Transitions only: heartbeats themselves stay out of the log. */
const health: Process<typeof state> = {
  name: 'vm-host-health',
  plan: (view) =>
    [...view.state.host.values()].flatMap((host): Draft[] => {
      const { uid, name, health, policy, revision, updatedAt } = host
      const cause = `vm.host/${uid}@${revision}`
      if (policy === 'expunged') return []
      // A host that has just registered has had no time to send a heartbeat.
      if (health === 'up' && Math.min(silence(view, uid), view.now - updatedAt) > SUSPECT_MS) {
        const reason = `not heard of for ${SUSPECT_MS / 1000} s`
        return [{ type: 'vm.SuspectHost', data: { name, reason }, cause }]
      }
      if (health === 'suspected' && isHeard(view, uid))
        return [{ type: 'vm.RecoverHost', data: { name }, cause }]
      return []
    }),
}

/** Starts what should run and has nothing that may run: after a failure, a reboot, a fencing or a restore. */
const placement: Process<typeof state> = {
  name: 'vm-placement',
  plan: (view) =>
    view.state.instance
      .list('waiting', '')
      .filter(({ retryAt }) => retryAt <= view.now)
      .slice(0, PLACES_MAX)
      .map(({ uid, revision }) => ({
        type: 'vm.PlaceInstance',
        data: { instance: uid },
        cause: `vm.instance/${uid}@${revision}`,
      })),
}

/** Gives up on incarnations of an earlier history that their hosts have not named again. */
const doubt: Process<typeof state> = {
  name: 'vm-doubt',
  plan: (view) =>
    view.state.incarnation
      .list('doubted', '')
      .filter(
        ({ host, since }) => isHeard(view, host) && view.now - Math.max(since, view.leaderSince) > DOUBT_MS,
      )
      .slice(0, DOUBTS_MAX)
      .map(({ uid, revision }) => ({
        type: 'vm.RecordIncarnationGone',
        data: {
          incarnation: uid,
          reason: `its host has not named it within ${DOUBT_MS / 1000} s after the restore`,
        },
        cause: `vm.incarnation/${uid}@${revision}`,
      })),
}

/** After a restore nothing of the earlier history is taken at its word. */
const adoption: Process<typeof state> = {
  name: 'vm-adoption',
  plan: ({ state, leaderSince, history: { history, parent } }) => {
    const adopted = state.adopted.get('current')
    if (parent === '' || (adopted?.history === history && adopted.complete)) return []
    return [
      {
        type: 'vm.AdoptHistory',
        data: { history, sinceTime: leaderSince },
        cause: `history ${history} goes on from ${parent}`,
      },
    ]
  },
}

/** Restarts what runs on a host that is to be emptied elsewhere: one at a time, and only what another host has room for. */
const evacuation: Process<typeof state> = {
  name: 'vm-evacuation',
  plan: ({ state }) =>
    [...state.host.values()]
      .filter(({ policy, health }) => policy === 'evacuating' && health === 'up')
      .flatMap(({ uid }): Draft[] => {
        const held = state.incarnation.list('holding', uid)
        const next = held.find(({ intent }) => intent === 'running')
        if (next === undefined || held.some(({ intent }) => intent !== 'running')) return []
        const { chosen } = place(state.host.values(), (host) => usageOf(state, host), next)
        const instance = state.instance.get(next.instance)
        if (chosen === undefined || instance === undefined) return []
        const { project, name, revision } = instance
        const cause = `vm.instance/${instance.uid}@${revision}`
        return [{ type: 'vm.RebootInstance', data: { project, name }, cause }]
      }),
}

export const processes = [adoption, health, placement, doubt, evacuation] as const
