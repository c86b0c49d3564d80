import { QemuDriver } from '../kvm/qemu.ts'
import { UserModeNetwork } from '../net/user_mode.ts'
import { testGuestImage, testSpecification } from './guests.ts'

/** A daemon's driver in a process of its own, for tests that kill it: starts one guest and says so. */
const [hostDirectory, name] = process.argv.slice(2)
if (hostDirectory === undefined || name === undefined)
  throw new Error('Usage: driver_process.ts DIRECTORY NAME')
const driver = await QemuDriver.open({
  hostDirectory,
  acceleration: 'tcg',
  network: new UserModeNetwork(),
  findImage: testGuestImage,
})
const status = await driver.start(testSpecification(name, 5))
process.stdout.write(`${JSON.stringify(status.forwards)}\n`)
process.stdin.resume()
