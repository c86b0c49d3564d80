import type { CommandReply, CommandRequest, ReadReply, ReadRequest } from '../control_plane.ts'

/** Passes what only the leader can do on to it; `token` is the caller's. Throws Rejection. */
export interface Forward {
  submit(leader: string, request: CommandRequest, token: string | undefined): Promise<CommandReply>
  read(leader: string, request: ReadRequest, token: string | undefined): Promise<ReadReply>
}
