import type {
  ClusterStatus,
  CommandReply,
  CommandRequest,
  DiffReply,
  LogEntryView,
  ReadReply,
  ReadRequest,
} from '../control_plane.ts'

/** Passes what only the leader can do on to it; `token` is the caller's. Throws Rejection. */
export interface Forward {
  submit(leader: string, request: CommandRequest, token: string | undefined): Promise<CommandReply>
  read(leader: string, request: ReadRequest, token: string | undefined): Promise<ReadReply>
  committed(leader: string, token: string | undefined): Promise<number>
  why(
    leader: string,
    resource: { readonly kind: string; readonly name: string; readonly project?: string },
    token: string | undefined,
  ): Promise<readonly LogEntryView[]>
  diff(leader: string, from: string, to: string, token: string | undefined): Promise<DiffReply>
  status(leader: string, token: string | undefined): Promise<ClusterStatus>
}
