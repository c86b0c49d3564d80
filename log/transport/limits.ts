import type { ChannelOptions } from '@grpc/grpc-js'

/** A message between members: 1 MiB of payload or one entry of 10 MiB, and room for many small ones around it. */
export const messageBytesMax = 12 * 1024 * 1024

/** What may wait in memory for one peer; beyond it messages are dropped. */
export const queuedMessagesMax = 1024
export const queuedBytesMax = 32 * 1024 * 1024

/** Calls of one kind between two members that wait for an answer. */
export const pendingCallsMax = 8

export const channelOptions: ChannelOptions = {
  'grpc.enable_channelz': 0,
  'grpc.enable_retries': 0,
  'grpc.enable_http_proxy': 0,
  'grpc.service_config_disable_resolution': 1,
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_receive_message_length': messageBytesMax,
  'grpc.max_send_message_length': messageBytesMax,
  'grpc.keepalive_time_ms': 2000,
  'grpc.keepalive_timeout_ms': 2000,
  'grpc.keepalive_permit_without_calls': 1,
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 500,
  'grpc-node.flow_control_window': messageBytesMax,
}
