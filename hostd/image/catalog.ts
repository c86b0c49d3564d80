import { HostError } from '../errors.ts'
import { buildGuestImage, type GuestImage } from './guest.ts'

/** The name of the image that every host can make for itself. */
const guestImageName = 'guest'

/** The images of a host: so far the one it builds itself, when it is first asked for. */
export class ImageCatalog {
  readonly #directory: string
  #guest: Promise<GuestImage> | undefined

  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * Gives the files of an image.
   *
   * @throws HostError `hostd/image_unknown`, `hostd/image_unavailable`
   */
  find(name: string): Promise<GuestImage> {
    if (name !== guestImageName) {
      return Promise.reject(new HostError('hostd/image_unknown', `${name}; this host has ${guestImageName}.`))
    }
    this.#guest ??= buildGuestImage(this.#directory).catch((error: unknown) => {
      // A package source that could not be reached may be reachable the next time.
      this.#guest = undefined
      throw error
    })
    return this.#guest
  }
}
