import type { ChannelOptions } from '@grpc/grpc-js'

/** A request may carry this much: a log entry is no larger. */
export const REQUEST_BYTES_MAX = 1024 * 1024
/** A page of rows. */
export const RESPONSE_BYTES_MAX = 16 * 1024 * 1024

/** A stream's message ends after this much JSON, and goes on in the next: it is what a reader who stopped holds back. */
export const MESSAGE_CHARACTERS_MAX = 128 * 1024

/** What a client's channel may cost. */
export const channelOptions: ChannelOptions = {
  'grpc.enable_channelz': 0,
  'grpc.max_receive_message_length': RESPONSE_BYTES_MAX,
  'grpc.max_send_message_length': REQUEST_BYTES_MAX,
  'grpc.keepalive_time_ms': 20_000,
  'grpc.keepalive_timeout_ms': 10_000,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 5_000,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.enable_retries': 0,
}
