/** A port of a VPC, as a host has to realize it. */
export interface NetworkPort {
  readonly uid: string
  readonly address: string
  readonly prefixLength: number
  readonly gateway: string
  readonly mac: string
  /** Guest TCP ports to make reachable from the host. */
  readonly forwards: readonly number[]
}

/** Where a guest's port can be reached. */
export interface PortForward {
  /** uid of the VPC port */
  readonly port: string
  readonly guestPort: number
  readonly address: string
  readonly hostPort: number
}

/** What a network driver may ask of a running hypervisor. */
export interface NetworkMonitor {
  /** Runs one line of QEMU's human monitor, for what QMP has no command for. */
  humanMonitorCommand(line: string): Promise<string>
}

/** The port behind which networking stands: user mode, Open vSwitch. */
export interface NetworkDriver {
  /** The hypervisor's arguments for these ports. @throws HostError `hostd/invalid_specification` */
  arguments(ports: readonly NetworkPort[]): readonly string[]
  /** Reads from the hypervisor where the ports are reachable: right after a start as well as after an adoption. */
  forwards(ports: readonly NetworkPort[], monitor: NetworkMonitor): Promise<readonly PortForward[]>
}
