import { findLines, type Guard } from '../guard.ts'

/** Home directories and the folders of build machines: true on one machine only. */
const MACHINE_PATH =
  /(?<![\w.})-])\/(?:home\/[a-z][\w-]*|Users\/\w+|work\/\w+|workspace\/\w+|root\/(?:\.npm|\.cache|\w+))/

/** Hosts that packages come from: which one is the business of the machine's own configuration. */
const REGISTRY_HOST =
  /\bregistry\.(?:[\w-]+\.)+(?:org|com|net|io|dev)\b|\b(?:deb|security|ftp|snapshot)\.debian\.org|\b(?:archive|ports)\.ubuntu\.com/

/** Nothing names a path of one machine or the host of a registry. */
export const machineGuard: Guard = {
  name: 'machine',
  find: ({ files }) =>
    files
      .filter(({ path }) => !path.startsWith('proofs/surface/'))
      .flatMap((file) => [
        ...findLines(file, MACHINE_PATH, 'a path of one machine'),
        ...findLines(file, REGISTRY_HOST, 'the host of a registry'),
      ]),
}
