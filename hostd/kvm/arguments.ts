import { HostError } from '../errors.ts'
import type { GuestImage } from '../image/guest.ts'
import type { IncarnationSpecification } from '../instance_driver.ts'
import type { Acceleration } from './acceleration.ts'

const vcpusMax = 64
const memoryMebibytesMax = 1024 * 1024

/** The files of an incarnation, relative to its directory, which is QEMU's working directory. */
export const incarnationFiles = {
  specification: 'spec.json',
  runtime: 'runtime.json',
  exit: 'exit.json',
  exitStatus: 'exit.status',
  monitor: 'qmp.sock',
  console: 'console.log',
  consoleBefore: 'console.1.log',
  hypervisorLog: 'qemu.log',
  pid: 'qemu.pid',
  seed: 'seed.iso',
} as const

/**
 * QEMU's arguments for one incarnation. Paths are relative to the incarnation's directory: a unix socket's address has room for
 * 108 bytes, and a comma in a path would have to be doubled.
 *
 * @throws HostError `hostd/invalid_specification`
 */
export function qemuArguments(
  specification: IncarnationSpecification,
  image: GuestImage,
  acceleration: Acceleration,
  network: readonly string[],
): readonly string[] {
  requireInteger('vcpus', specification.vcpus, vcpusMax)
  requireInteger('memoryMebibytes', specification.memoryMebibytes, memoryMebibytesMax)
  return [
    ...['-name', `guest=${specification.incarnation}`],
    ...['-machine', 'pc', '-accel', acceleration, '-cpu', acceleration === 'kvm' ? 'host' : 'max'],
    ...['-smp', String(specification.vcpus), '-m', `${specification.memoryMebibytes}M`],
    ...['-nodefaults', '-no-user-config', '-display', 'none'],
    '-sandbox',
    'on,obsolete=deny,elevateprivileges=deny,spawn=deny,resourcecontrol=deny',
    ...['-kernel', image.kernel, '-initrd', image.initrd, '-append', 'console=ttyS0 quiet loglevel=3'],
    // Appending, so that the file can be cut while QEMU writes to it.
    ...[
      '-chardev',
      `file,id=console,path=${incarnationFiles.console},append=on`,
      '-serial',
      'chardev:console',
    ],
    ...['-chardev', `socket,id=monitor,path=${incarnationFiles.monitor},server=on,wait=off`],
    ...['-mon', 'chardev=monitor,mode=control'],
    ...['-pidfile', incarnationFiles.pid],
    // A guest whose kernel panics says so and ends, instead of standing still and seeming to run.
    ...['-device', 'pvpanic-pci', '-action', 'panic=exit-failure'],
    ...network,
    '-blockdev',
    `driver=file,node-name=seed-file,filename=${incarnationFiles.seed},read-only=on`,
    ...['-blockdev', 'driver=raw,node-name=seed,file=seed-file,read-only=on'],
    ...['-device', 'virtio-blk-pci,id=seed-disk,drive=seed,serial=seed'],
  ]
}

function requireInteger(field: string, value: number, max: number): void {
  if (!Number.isInteger(value) || value < 1 || value > max) {
    throw new HostError(
      'hostd/invalid_specification',
      `${field} must be an integer from 1 to ${max}, not ${value}.`,
    )
  }
}
